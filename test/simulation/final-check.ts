// Checks at the end of a pass and at the end of a world: I2 on the report's leaves, I5 on other interleavings, and that
// what is called verified is what the source has.

import { createHash } from 'node:crypto'
import { keyOf } from '#libs/domain/keys'
import { finalOutcomes, pendingOf } from '#libs/domain/tally'
import type { EventLog, LogRecord } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import { openProjection } from '#libs/projection/projection'
import { reportLeaves } from '#libs/projection/report-leaves'
import { readRows } from '#libs/projection/row-reader'
import { digestLines, stateDigest } from '#libs/projection/state-digest'
import type { ReportLeaf } from '#libs/report/leaf'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import type { Chance } from './chance.ts'
import { job } from './scenario.ts'
import { copyStore, type World } from './world.ts'

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

/** A store folded from the whole log. */
async function foldAll(log: EventLog, store: StateStore = openMemoryStore()): Promise<StateStore> {
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const running = projection.run(stop.signal)
  await projection.caughtUp(stop.signal)
  stop.abort()
  await running
  return store
}

async function linesOf(store: StateStore): Promise<readonly string[]> {
  const lines: string[] = []
  for await (const line of digestLines(store)) lines.push(line)
  return lines
}

/** The first rows in which two states differ. */
async function differenceOf(left: StateStore, right: StateStore): Promise<string> {
  const [one, other] = [await linesOf(left), await linesOf(right)]
  const [ones, others] = [new Set(one), new Set(other)]
  const only = one.filter((line) => !others.has(line)).slice(0, 2)
  const missing = other.filter((line) => !ones.has(line)).slice(0, 2)
  return `\n  in order: ${only.join('            ')}  otherwise: ${missing.join('            ')}`
}

async function compare(world: World, expected: StateStore, store: StateStore, what: string): Promise<void> {
  if ((await stateDigest(expected)) === (await stateDigest(store))) return
  world.violate({ invariant: 'I5', text: `${what} gives another state ${await differenceOf(expected, store)}` })
}

/** A log with the same records, some of them twice, in another order between partitions. */
async function shuffledLog(
  records: readonly LogRecord[],
  chance: Chance,
  counts: Parameters<typeof openMemoryLog>[0]['partitionCounts'],
): Promise<EventLog> {
  const log = openMemoryLog({ partitionCounts: counts, random: chance.random })
  const seen: LogRecord[] = []
  for (const record of records) {
    await log.append([record])
    seen.push(record)
    if (chance.happens(0.1))
      await log.append([seen[chance.between(Math.max(0, seen.length - 50), seen.length - 1)] as LogRecord])
  }
  return log
}

async function checkInterleavings(world: World): Promise<void> {
  const expected = openMemoryStore()
  await world.check.writeTo(expected)
  for (let turn = 0; turn < 3; turn += 1) {
    await compare(world, expected, await foldAll(world.log), 'another interleaving')
  }
  const doubled = await shuffledLog(world.records, world.chance, await world.log.partitionCounts())
  await compare(world, expected, await foldAll(doubled), 'the log with duplicates')
}

/** After a pass: every item has one outcome, the sums are those of the leaves, and the process's store is right. */
export async function checkPass(world: World, store: StateStore): Promise<void> {
  const { tally } = world.check
  const pending = pendingOf(tally)
  const isCancelled = world.check.rows.get(keyOf.job(job))?.isLastPassCancelled ?? false
  if (!isCancelled && (pending.items !== 0 || pending.bytes !== 0)) {
    world.violate({
      invariant: 'I2',
      text: `a complete pass left ${pending.items} items, ${pending.bytes} bytes pending`,
    })
  }
  const leaves = await leavesOf(world)
  const names = new Set(leaves.map(({ name }) => name))
  if (names.size !== leaves.length) world.violate({ invariant: 'I2', text: 'a name stands twice in the report' })
  const sums = new Map<string, { items: number; bytes: number }>()
  for (const { outcome, size } of leaves) {
    const sum = sums.get(outcome) ?? { items: 0, bytes: 0 }
    sums.set(outcome, { items: sum.items + 1, bytes: sum.bytes + size })
  }
  for (const outcome of isCancelled ? [] : finalOutcomes) {
    const { items, bytes } = sums.get(outcome) ?? { items: 0, bytes: 0 }
    if (items !== tally[outcome].items || bytes !== tally[outcome].bytes) {
      const text = `${outcome}: the report has ${items} items, ${bytes} bytes, the tally ${tally[outcome].items} and ${tally[outcome].bytes}`
      world.violate({ invariant: 'I2', text })
    }
  }
  if (leaves.length !== tally.listed.items) {
    world.violate({ invariant: 'I2', text: `the report has ${leaves.length} items, ${tally.listed.items} were listed` })
  }
  for (const leaf of leaves) checkLeaf(world, leaf)
  await checkStore(world, store)
}

/** I5 on a store that was in use: folded up to the end of the log it says what a fold from 0 says. */
async function checkStore(world: World, store: StateStore): Promise<void> {
  const expected = openMemoryStore()
  await world.check.writeTo(expected)
  await compare(world, expected, await foldAll(world.log, await copyStore(store)), 'the store of a process')
}

/** I1 on the report: what is called verified names one version of the source, all of it. */
function checkLeaf(world: World, leaf: ReportLeaf): void {
  if (leaf.kind !== 'file' || (leaf.outcome !== 'verified' && leaf.outcome !== 'already_there')) return
  const why = whyIncomplete(world, leaf)
  const name = Buffer.from(leaf.name, 'base64').toString('latin1')
  if (why !== null) world.violate({ invariant: 'I1', text: `leaf ${name}: ${why}` })
}

function whyIncomplete(world: World, leaf: ReportLeaf): string | null {
  const { size, mtime_ns: mtimeNs, ctime_ns: ctimeNs, inode } = leaf.source
  const version = world.source.versionOf(Buffer.from(leaf.name, 'base64'), { size, mtimeNs, ctimeNs, inode })
  if (version === null) return 'no such version of the source'
  let end = 0
  for (const [offset, length, digest] of leaf.chunks) {
    if (offset !== end) return `a gap at ${end}`
    end = offset + length
    if (sha256(version.subarray(offset, end)).toString('hex') !== digest) return `another digest at ${offset}`
  }
  return end === size ? null : `${end} of ${size} bytes have a digest`
}

async function leavesOf(world: World): Promise<readonly ReportLeaf[]> {
  const store = openMemoryStore()
  await world.check.writeTo(store)
  const rows = readRows(store)
  const row = await rows.get(keyOf.job(job))
  const leaves: ReportLeaf[] = []
  if (row === undefined) return leaves
  for await (const leaf of reportLeaves({ rows, log: world.log, job }, row)) leaves.push(leaf)
  return leaves
}

/** In the end, after passes without faults, what the source has now is what the target has. */
export async function checkEnd(world: World): Promise<void> {
  await checkInterleavings(world)
  const leaves = new Map(
    (await leavesOf(world)).map((leaf) => [Buffer.from(leaf.name, 'base64').toString('latin1'), leaf]),
  )
  for (const name of world.source.names()) {
    const leaf = leaves.get(name)
    if (leaf === undefined) world.violate({ invariant: 'I2', text: `${name} is in no report` })
    else checkMoved(world, name, leaf)
  }
  if (world.target.openUploads > 0) {
    world.violate({ invariant: 'END', text: `${world.target.openUploads} uploads are left open` })
  }
}

function checkMoved(world: World, name: string, leaf: ReportLeaf): void {
  const node = world.source.tree.nodeOf(Buffer.from(name, 'latin1'))
  if (node === null || leaf.kind === 'special') return
  const { overwrite, verify } = world.scenario.request
  const isProven = leaf.outcome === 'verified' || leaf.outcome === 'already_there'
  if (!isProven) {
    const mayStand = overwrite === 'never' && leaf.outcome === 'failed' && leaf.code === 'TARGET_EXISTS'
    const isUnread = verify !== 'full' && leaf.outcome === 'unverifiable'
    if (!mayStand && !isUnread) {
      world.violate({ invariant: 'END', text: `${name} ended ${leaf.outcome} ${leaf.code} without a fault` })
    }
    return
  }
  const object = world.target.objectOf(name)
  const isEqual = object !== undefined && (node.kind === 'directory' || object.body.equals(node.link ?? node.bytes))
  if (!isEqual && verify === 'full') {
    world.violate({ invariant: 'END', text: `${name} is ${leaf.outcome} and differs at the target` })
  }
}
