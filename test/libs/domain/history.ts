// Events as they stand in a log, folded one after the other into rows in memory: given / when / then for folds.
import { foldEvent, keysOf } from '#libs/domain/fold'
import { type Key, keyOf, kindOf } from '#libs/domain/keys'
import { emptyTally } from '#libs/domain/rows'
import type { Verdict } from '#libs/domain/verdict'
import { digestLine } from '#libs/projection/state-digest'
import type { EventOf, EventType, Topic } from '#schemas/events'
import type { Extent, Identity, ListedItem, Place, TransferredEntry, VerifiedEntry } from '#schemas/records'
import { encodeRow } from '#schemas/row-wire'
import type { RowKind, RowOf, TallyRow } from '#schemas/rows'

export const job = 'job'

const envelope = { job, at: 0, writer: 'writer', sequence: 0, software: 'test' }

/** Claim of the epoch on every topic, as all roles of one process make it. */
export const fenceOf = (epoch: number): { claim: string; epoch: number } => ({ claim: `claim-${epoch}`, epoch })

type Fields<K extends EventType> = Omit<EventOf<K>, 'type' | keyof typeof envelope | 'claim' | 'epoch'>
type Claimed = Extract<EventOf<EventType>, { claim: string }>['type']

/** An event under a claim. */
export function claimedEvent<K extends Claimed>(type: K, fields: Fields<K>, epoch = 1): EventOf<K> {
  return { type, ...envelope, ...fenceOf(epoch), ...fields } as unknown as EventOf<K>
}

export function claim(epoch: number, cause: 'start' | 'takeover' = 'start'): EventOf<'PartitionClaimed'> {
  return claimedEvent('PartitionClaimed', { cause }, epoch)
}

export const identity: Identity = { size: 10, mtimeNs: '1', ctimeNs: '1', inode: '0:1' }

export function listedItem(item: string, change: Partial<ListedItem> = {}): ListedItem {
  return {
    item,
    generation: 1,
    name: Buffer.from(`name-${item}`),
    kind: 'file',
    identity,
    attributes: { mode: 0o644, uid: 0, gid: 0 },
    link: null,
    replaces: null,
    previous: null,
    carried: null,
    bad: null,
    outcome: null,
    code: null,
    chunks: 0,
    ...change,
  }
}

export function extentOf(item: ListedItem, range: { offset: number; length: number }): Extent {
  const { name, kind, attributes, link, generation } = item
  const { offset, length } = range
  return {
    item: item.item,
    generation,
    name,
    kind,
    key: name,
    offset,
    length,
    identity: item.identity,
    attributes,
    link,
    replaces: null,
  }
}

export function planned(
  chunk: string,
  extents: readonly Extent[],
  part: number | null = null,
): EventOf<'ChunkPlanned'> {
  const generation = part === null ? 0 : (extents[0]?.generation ?? 1)
  const upload = part === null ? null : 'upload'
  return { type: 'ChunkPlanned', ...envelope, chunk, generation, upload, part, extents, givenSeal: null, copy: null }
}

export const leased = (chunk: string, attempt = 1, epoch = 1): EventOf<'ChunkLeased'> =>
  claimedEvent('ChunkLeased', { chunk, attempt }, epoch)

export function written(extent: Extent, change: Partial<TransferredEntry> = {}): TransferredEntry {
  const { item, generation, length } = extent
  const stored = { digest: Buffer.alloc(32, 1), tag: '"t"', seal: '"s"', isOurs: true }
  return { item, generation, outcome: 'written', code: null, bytes: length, ...stored, ...change }
}

export function transferred(
  chunk: string,
  entries: readonly TransferredEntry[],
  { attempt = 1, epoch = 1 } = {},
): EventOf<'ChunkTransferred'> {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  return claimedEvent(
    'ChunkTransferred',
    { chunk, attempt, sourceBytesRead: bytes, targetBytesWritten: bytes, entries, notes: [] },
    epoch,
  )
}

export function failed(
  chunk: string,
  change: Partial<Pick<EventOf<'ChunkFailed'>, 'by' | 'attempt' | 'isCounted' | 'isFinal' | 'code'>> = {},
  epoch = 1,
): EventOf<'ChunkFailed'> {
  const why = {
    by: 'worker',
    attempt: 1,
    code: 'SOURCE_READ_ERROR',
    detail: '',
    isCounted: true,
    isFinal: false,
  } as const
  return claimedEvent(
    'ChunkFailed',
    { chunk, ...why, sourceBytesRead: 0, targetBytesWritten: 0, proof: null, ...change },
    epoch,
  )
}

/** What a verifier says of a chunk: verified when all entries are. */
export function proven(
  chunk: string,
  extents: readonly Extent[],
  change: { outcome?: VerifiedEntry['outcome']; round?: number; seal?: string | null; generation?: number } = {},
): EventOf<'ChunkVerified'> | EventOf<'ChunkFailed'> {
  const { outcome = 'verified', round = 1, seal = null, generation = 0 } = change
  const digest = Buffer.alloc(32, outcome === 'verified' ? 1 : 2)
  const entries = extents.map((extent): VerifiedEntry => {
    const { item, length } = extent
    return {
      item,
      generation: extent.generation,
      bytes: length,
      digest,
      expected: Buffer.alloc(32, 1),
      outcome,
      code: null,
    }
  })
  const proof = { generation, seal, round, reader: 'verifier', bypassedCache: true, targetBytesRead: 0, entries }
  if (outcome === 'verified') return { type: 'ChunkVerified', ...envelope, chunk, proof }
  const why = {
    by: 'verifier',
    attempt: 1,
    code: 'DIGEST_MISMATCH',
    detail: '',
    isCounted: false,
    isFinal: false,
  } as const
  const none = { claim: '', epoch: 0, sourceBytesRead: 0, targetBytesWritten: 0 }
  return { type: 'ChunkFailed', ...envelope, ...none, chunk, ...why, proof }
}

export function page(
  number: number,
  items: readonly ListedItem[],
  change: Partial<Fields<'ItemsListed'>> = {},
): EventOf<'ItemsListed'> {
  const bytes = items.reduce((sum, item) => sum + item.identity.size, 0)
  const counts = { items: items.length, bytes, chunks: 1, uploads: 0 }
  const walk = { kind: 'listing', cursor: null, round: 1, packBytes: 1024 } as const
  return claimedEvent('ItemsListed', { pass: 1, page: number, ...walk, counts, items: [...items], ...change })
}

export function packPlace(chunk: string, change: Partial<Place> = {}): Place {
  return { form: 'pack', chunk, index: 0, count: 1, generation: 1, bytes: 10, outcome: null, code: null, ...change }
}

const partitions: Readonly<Partial<Record<EventType, Topic>>> = {
  ItemsListed: 'listings',
  UploadOpened: 'listings',
  PacksPlaced: 'listings',
  PagePlanned: 'listings',
  UploadSealed: 'listings',
  TargetListed: 'listings',
  DirectoriesFinished: 'listings',
}

export function topicOf(event: EventOf<EventType>): Topic {
  return partitions[event.type] ?? (event.type.startsWith('Chunk') ? 'chunks' : 'jobs')
}

export class History {
  readonly rows = new Map<string, RowOf<RowKind>>()
  #position = 0

  /** Folds the event on its topic; a claim on all of them. Rows that `keysOf` did not name are a mistake. */
  fold(event: EventOf<EventType>, at: { topic?: Topic; partition?: number } = {}): Verdict {
    const topic = at.topic ?? topicOf(event)
    const place = { partition: at.partition ?? 0, position: this.#position }
    this.#position += 1
    const read = {
      get: <K extends RowKind>(key: Key<K>) => this.rows.get(key) as RowOf<K> | undefined,
      set: () => undefined,
    }
    const named = new Set<string>(keysOf(read, event, topic, place))
    return foldEvent(
      {
        get: (key) => {
          if (!named.has(key)) throw new Error(`keysOf of ${event.type} does not name ${key}`)
          return read.get(key)
        },
        set: (key, row) => {
          named.add(key)
          if (row === null) this.rows.delete(key)
          else this.rows.set(key, row)
        },
      },
      event,
      topic,
      place,
    )
  }

  given(...events: readonly EventOf<EventType>[]): this {
    for (const event of events) {
      if (event.type === 'PartitionClaimed') {
        for (const topic of ['jobs', 'listings', 'chunks', 'rates'] as const) this.fold(event, { topic })
      } else this.fold(event)
    }
    return this
  }

  row<K extends RowKind>(key: Key<K>): RowOf<K> | undefined {
    return this.rows.get(key) as RowOf<K> | undefined
  }

  get tally(): TallyRow {
    return this.row(keyOf.tally(job)) ?? emptyTally
  }

  /** All rows as text, positions left out: equal states have equal texts. */
  text(): string {
    const lines = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1))
    return lines.map(([key, row]) => digestLine(key, encodeRow(kindOf(key), row)) ?? '').join('')
  }
}
