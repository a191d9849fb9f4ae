// Logs of chunk events for benchmarks, made with the real encoders: uploads of 1,000 parts, each part planned, leased,
// transferred, verified. Uploads go to the partitions of chunks in turn.
import { createHash, randomBytes } from 'node:crypto'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter, type PlacedDraft } from '#libs/log/event-writer'
import { systemClock } from '#libs/runtime/system-clock'
import type { ListedItem } from '#schemas/records'

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

function* eventsOfUpload(page: number, partition: number): Generator<PlacedDraft> {
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
  const placements = [{ partition, count: partsOfUpload }]
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
  for (let part = 0; part < partsOfUpload; part += 1) {
    for (const event of eventsOfPart(item, page, part)) yield { topic: 'chunks', partition, event }
  }
  const sealed = { seal: `"seal-${page}"`, size: item.identity.size, isAdopted: false, isOurs: true, code: null }
  yield on({ type: 'UploadSealed', job, ...claim, item: item.item, generation: 1, ...sealed })
  yield on({ type: 'PagePlanned', job, ...claim, ...place, chunks: partsOfUpload })
}

function* eventsOfPart(item: ListedItem, page: number, part: number): Generator<PlacedDraft['event']> {
  const chunk = `1.${page}.${part}`
  const digest = createHash('sha256').update(chunk).digest()
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
  yield { type: 'ChunkPlanned', job, chunk, ...planned }
  yield { type: 'ChunkLeased', job, ...claim, chunk, attempt: 1 }
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
  yield { type: 'ChunkTransferred', job, ...claim, chunk, ...moved }
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
  yield { type: 'ChunkVerified', job, chunk, proof }
}

/**
 * Appends at least so many events.
 * @returns how many
 */
export async function fillLog(log: EventLog, eventsWanted: number): Promise<number> {
  const { chunks } = await log.partitionCounts()
  const writer = createEventWriter({
    log,
    clock: systemClock,
    writer: `bench-${randomBytes(4).toString('hex')}`,
    software: 'bench',
  })
  const claimed = { type: 'PartitionClaimed', job: '', ...claim, cause: 'start' } as const
  const claims = Array.from(
    { length: chunks },
    (_, partition): PlacedDraft => ({ topic: 'chunks', partition, event: claimed }),
  )
  await writer.append([{ topic: 'listings', partition: 0, event: claimed }, ...claims])
  let count = claims.length + 1
  for (let page = 0; count < eventsWanted; page += 1) {
    const batch = [...eventsOfUpload(page, page % chunks)]
    await writer.append(batch)
    count += batch.length
  }
  return count
}
