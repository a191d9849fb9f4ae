// A source and a target in memory, a virtual clock, and everything that moving a chunk needs, ready for a test to spoil.
import { openMemorySource, type MemoryCall as SourceCall } from '#libs/source/memory-source'
import { identityOf, MemoryTree } from '#libs/source/memory-tree'
import type { MemoryTargetOptions } from '#libs/target/memory-target'
import { openMemoryTarget } from '#libs/target/memory-target'
import type { TargetWriter } from '#libs/target/target'
import { createByteBudget } from '#libs/transfer/byte-budget'
import { moveChunk } from '#libs/transfer/move-chunk'
import type { ChunkLease, MoveContext } from '#libs/transfer/move-context'
import { createReadGate } from '#libs/transfer/read-gate'
import { createRequestSlots } from '#libs/transfer/request-slots'
import type { Draft, EventOf } from '#schemas/events'
import type { Extent, TransferredEntry } from '#schemas/records'
import { createVirtualClock } from '#test/support/virtual-clock'

export const job = 'archive'
const stamp = { at: 0, writer: 'test', sequence: 1, software: 'test' }

/** All that a test may want to have otherwise. */
export interface StageOptions {
  readonly budgetBytes?: number
  readonly slotsMax?: number
  readonly target?: MemoryTargetOptions
  readonly context?: Partial<MoveContext>
  readonly wrapWriter?: (writer: TargetWriter) => TargetWriter
}

export interface Stage {
  readonly clock: ReturnType<typeof createVirtualClock>
  readonly tree: MemoryTree
  readonly target: ReturnType<typeof openMemoryTarget>
  readonly context: MoveContext
  readonly shutdown: AbortController
  /** Runs before each call of the source; a test replaces it. */
  beforeSource: (call: SourceCall) => void | Promise<void>
  readonly bytes: { read: number; written: number }
  /** The extent of an item that is in the tree now. */
  extentOf(name: string, changes?: Partial<Extent>): Extent
  move(
    planned: EventOf<'ChunkPlanned'>,
    lease?: Partial<ChunkLease>,
  ): Promise<Draft<'ChunkTransferred'> | Draft<'ChunkFailed'>>
}

export function createStage(options: StageOptions = {}): Stage {
  const clock = createVirtualClock()
  const tree = new MemoryTree()
  const target = openMemoryTarget(options.target)
  const shutdown = new AbortController()
  const bytes = { read: 0, written: 0 }
  const gate = createReadGate(clock)
  gate.grant({ bytesPerSecond: null, validUntilMonotonicMs: Number.POSITIVE_INFINITY })
  let items = 0
  const writer = target.writer(abilitiesOf())
  const context: MoveContext = {
    source: openMemorySource(tree, { before: (call) => stage.beforeSource(call) }),
    writer: options.wrapWriter?.(writer) ?? writer,
    budget: createByteBudget(options.budgetBytes ?? 1024 * 1024),
    gate,
    clock,
    slots: createRequestSlots(options.slotsMax ?? 4),
    overwrite: 'never',
    looksFirst: false,
    signal: shutdown.signal,
    onBytes: (phase, moved) => {
      bytes[phase] += moved
    },
    mustStillHold: () => undefined,
    ...options.context,
  }
  const stage: Stage = {
    clock,
    tree,
    target,
    context,
    shutdown,
    beforeSource: () => undefined,
    bytes,
    extentOf(name, changes = {}) {
      const node = tree.nodeOf(name)
      if (node === null) throw new Error(`no ${name} in the tree`)
      items += 1
      return {
        item: `1.0.${items}`,
        generation: 1,
        name: Buffer.from(name),
        kind: node.kind,
        key: Buffer.from(name),
        offset: 0,
        length: node.kind === 'file' ? node.bytes.length : 0,
        identity: identityOf(node),
        attributes: { mode: node.mode, uid: 0, gid: 0 },
        link: node.link,
        replaces: null,
        ...changes,
      }
    },
    move: (planned, lease = {}) => moveChunk(planned, { ...leaseOf(planned), ...lease }, context),
  }
  return stage
}

/** What the memory target can do; it asks for nothing else. */
export function abilitiesOf(): Parameters<ReturnType<typeof openMemoryTarget>['writer']>[0] {
  return {
    kind: 'memory',
    isEmpty: false,
    createsOnlyIfAbsent: true,
    replacesOnlyIfMatch: true,
    checksUploads: true,
    readsRanges: true,
    copiesParts: true,
    keepsMarks: true,
    listsOddNames: true,
    bypassesCache: true,
    objectBytesMax: Number.MAX_SAFE_INTEGER,
    partBytesMin: 1,
    partBytesMax: Number.MAX_SAFE_INTEGER,
    partsMax: 10_000,
    keyBytesMax: 1024,
    clockOffsetMs: 0,
    server: 'memory',
  }
}

function leaseOf(planned: EventOf<'ChunkPlanned'>): ChunkLease {
  return { job, claim: 'claim-1', epoch: 1, chunk: planned.chunk, attempt: 1 }
}

export function plannedPack(extents: readonly Extent[]): EventOf<'ChunkPlanned'> {
  return {
    type: 'ChunkPlanned',
    ...stamp,
    job,
    chunk: '1.0.0',
    generation: 1,
    upload: null,
    part: null,
    extents,
    givenSeal: null,
    copy: null,
  }
}

export function plannedPart(
  extent: Extent,
  changes: Partial<Pick<EventOf<'ChunkPlanned'>, 'upload' | 'part' | 'givenSeal' | 'copy'>>,
): EventOf<'ChunkPlanned'> {
  return { ...plannedPack([extent]), part: 1, upload: 'upload-1', ...changes }
}

/** The event as the log would give it back. */
export function logged(draft: Draft<'ChunkTransferred'>): EventOf<'ChunkTransferred'> {
  return { ...draft, ...stamp }
}

/** The entries of a transfer; a failed attempt is an error of the test. */
export function entriesOf(draft: Draft<'ChunkTransferred'> | Draft<'ChunkFailed'>): readonly TransferredEntry[] {
  if (draft.type === 'ChunkFailed') throw new Error(`the attempt failed: ${draft.code} ${draft.detail}`)
  return draft.entries
}

/** The failed attempt; a transfer is an error of the test. */
export function failureOf(draft: Draft<'ChunkTransferred'> | Draft<'ChunkFailed'>): Draft<'ChunkFailed'> {
  if (draft.type === 'ChunkTransferred') throw new Error('the chunk was transferred')
  return draft
}
