// How fast a log of chunk events folds into a fresh store, and with how much memory.
//   node --conditions=source bench/log-fold.ts [--events 10000000] [--folder DIR] [--keep]
// Makes the log with the real encoders: uploads of 1,000 parts, each part planned, leased, transferred, verified.
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter, type PlacedDraft } from '#libs/log/event-writer'
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { openProjection } from '#libs/projection/projection'
import { stateDigest } from '#libs/projection/state-digest'
import { systemClock } from '#libs/runtime/system-clock'
import { openRocksStore } from '#libs/store/rocksdb/rocks-store'
import type { ListedItem } from '#schemas/records'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const eventsWanted = Number(values.events)
const partsOfUpload = 1_000
const partBytes = 64 * 1024 * 1024
const job = 'bench'
const claim = { claim: 'bench.claim', epoch: 1 }

function listed(page: number): ListedItem {
  const size = partsOfUpload * partBytes
  return {
    item: `1.${page}.0`,
    generation: 1,
    name: Buffer.from(`archive/volume-${String(page).padStart(6, '0')}.tar`),
    kind: 'file',
    identity: { size, mtimeNs: '1760000000000000000', ctimeNs: '1760000000000000000', inode: `64769:${page}` },
    attributes: { mode: 0o644, uid: 1000, gid: 1000 },
    link: null,
    replaces: null,
    previous: null,
    carried: null,
    bad: null,
    outcome: null,
    code: null,
    chunks: partsOfUpload,
  }
}

function* eventsOfUpload(page: number): Generator<PlacedDraft> {
  const item = listed(page)
  const counts = { items: 1, bytes: item.identity.size, chunks: partsOfUpload, uploads: 1 }
  const place = { pass: 1, page }
  const on = (event: PlacedDraft['event']): PlacedDraft => ({ topic: 'listings', partition: 0, event })
  yield on({
    type: 'ItemsListed',
    job,
    ...claim,
    ...place,
    kind: 'listing',
    cursor: item.name,
    round: 1,
    packBytes: partBytes,
    counts,
    items: [item],
  })
  const ends = { upload: `upload-${page}`, givenSeal: null, isOurs: true, replaces: null, code: null }
  const placements = [{ partition: 0, count: partsOfUpload }]
  yield on({
    type: 'UploadOpened',
    job,
    ...claim,
    item: item.item,
    generation: 1,
    ...place,
    key: item.name,
    ...ends,
    partBytes,
    placements,
  })
  for (let part = 0; part < partsOfUpload; part += 1) yield* eventsOfPart(item, page, part)
  const sealed = { seal: `"seal-${page}"`, size: item.identity.size, isAdopted: false, isOurs: true, code: null }
  yield on({ type: 'UploadSealed', job, ...claim, item: item.item, generation: 1, ...sealed })
  yield on({ type: 'PagePlanned', job, ...claim, ...place, chunks: partsOfUpload })
}

function* eventsOfPart(item: ListedItem, page: number, part: number): Generator<PlacedDraft> {
  const chunk = `1.${page}.${part}`
  const digest = createHash('sha256').update(chunk).digest()
  const on = (event: PlacedDraft['event']): PlacedDraft => ({ topic: 'chunks', partition: 0, event })
  const { name, kind, identity, attributes, link } = item
  const extent = {
    item: item.item,
    generation: 1,
    name,
    kind,
    key: name,
    offset: part * partBytes,
    length: partBytes,
    identity,
    attributes,
    link,
    replaces: null,
  }
  const planned = {
    generation: 1,
    upload: `upload-${page}`,
    part: part + 1,
    extents: [extent],
    givenSeal: null,
    copy: null,
  }
  yield on({ type: 'ChunkPlanned', job, chunk, ...planned })
  yield on({ type: 'ChunkLeased', job, ...claim, chunk, attempt: 1 })
  const entry = {
    item: item.item,
    generation: 1,
    outcome: 'written',
    code: null,
    digest,
    bytes: partBytes,
    tag: `"${part}"`,
    seal: null,
    isOurs: true,
  } as const
  const moved = { attempt: 1, sourceBytesRead: partBytes, targetBytesWritten: partBytes, entries: [entry], notes: [] }
  yield on({ type: 'ChunkTransferred', job, ...claim, chunk, ...moved })
  const verified = {
    item: item.item,
    generation: 1,
    bytes: partBytes,
    digest,
    expected: digest,
    outcome: 'verified',
    code: null,
  } as const
  const proof = {
    generation: 1,
    seal: `"seal-${page}"`,
    round: 1,
    reader: 'bench.verifier',
    bypassedCache: true,
    targetBytesRead: partBytes,
    entries: [verified],
  }
  yield on({ type: 'ChunkVerified', job, chunk, proof })
}

async function makeLog(log: EventLog): Promise<number> {
  const writer = createEventWriter({
    log,
    clock: systemClock,
    writer: `bench-${randomBytes(4).toString('hex')}`,
    software: 'bench',
  })
  const claims = (['listings', 'chunks'] as const).map((topic): PlacedDraft => {
    return { topic, partition: 0, event: { type: 'PartitionClaimed', job: '', ...claim, cause: 'start' } }
  })
  await writer.append(claims)
  let count = claims.length
  let batch: PlacedDraft[] = []
  for (let page = 0; count < eventsWanted; page += 1) {
    for (const draft of eventsOfUpload(page)) batch.push(draft)
    count += batch.length
    await writer.append(batch)
    batch = []
  }
  return count
}

async function foldInto(log: EventLog, folder: string): Promise<{ seconds: number; cpu: number; digest: string }> {
  const store = await openRocksStore({ folder })
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const started = systemClock.monotonic()
  const cpuBefore = process.cpuUsage()
  const running = projection.run(stop.signal)
  await Promise.race([projection.caughtUp(stop.signal), running])
  const seconds = (systemClock.monotonic() - started) / 1_000
  const { user, system } = process.cpuUsage(cpuBefore)
  stop.abort()
  await running
  const digest = await stateDigest(store)
  await store.close()
  return { seconds, cpu: (user + system) / 1e6, digest }
}

const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'waybill-fold-')))
const log = await openSegmentLog({
  folder: join(folder, 'log'),
  partitionCounts: { jobs: 1, listings: 1, chunks: 1, rates: 1 },
})
const makeStarted = systemClock.monotonic()
const count = await makeLog(log)
console.log(`log: ${count} events written in ${((systemClock.monotonic() - makeStarted) / 1_000).toFixed(1)} s`)
const first = await foldInto(log, join(folder, 'store-1'))
const peakMiB = process.resourceUsage().maxRSS / 1024
console.log(
  `fold: ${Math.round(count / first.seconds)} events/s, ${first.seconds.toFixed(1)} s wall, ${first.cpu.toFixed(1)} CPU-s, peak RSS ${peakMiB.toFixed(0)} MiB`,
)
const second = await foldInto(log, join(folder, 'store-2'))
console.log(
  `state digest ${first.digest}; rebuilt ${second.digest === first.digest ? 'equal' : `DIFFERS: ${second.digest}`}`,
)
await log.close()
if (!values.keep) await rm(folder, { recursive: true, force: true })
if (second.digest !== first.digest) process.exitCode = 1
