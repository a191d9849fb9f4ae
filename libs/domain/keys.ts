// Keys of rows, and ids of chunks and items. A key's first segment is the row's kind; numbers are padded so that the
// order of keys is the order of the log: `chunk/JOB/pass.page.n`.
import type { Topic } from '#schemas/events'
import type { RowKind } from '#schemas/rows'

/** A key that knows the kind of its row. */
export type Key<K extends RowKind> = string & { readonly __kind?: K }

/** A chunk's id is `pass.page.n`, an item's `pass.page.index` of its first listing, a page's `pass.page`. */
export interface PageId {
  readonly pass: number
  readonly page: number
}

export interface ChunkId extends PageId {
  readonly n: number
}

const digits = { pass: 5, page: 10, n: 7, partition: 6, generation: 6 } as const

const padded = (value: number, width: number): string => String(value).padStart(width, '0')

export function chunkIdOf(chunk: ChunkId): string {
  return `${chunk.pass}.${chunk.page}.${chunk.n}`
}

export function pageIdOf(page: PageId): string {
  return `${page.pass}.${page.page}`
}

/** Throws on anything but `pass.page.n`. */
export function parseChunkId(id: string): ChunkId {
  const match = /^(\d+)\.(\d+)\.(\d+)$/.exec(id)
  if (match === null) throw new RangeError(`not a chunk id: ${id}`)
  return { pass: Number(match[1]), page: Number(match[2]), n: Number(match[3]) }
}

/** Throws on anything but `pass.page`. */
export function parsePageId(id: string): PageId {
  const match = /^(\d+)\.(\d+)$/.exec(id)
  if (match === null) throw new RangeError(`not a page id: ${id}`)
  return { pass: Number(match[1]), page: Number(match[2]) }
}

const pageOrder = ({ pass, page }: PageId): string => `${padded(pass, digits.pass)}.${padded(page, digits.page)}`
const chunkOrder = (chunk: ChunkId): string => `${pageOrder(chunk)}.${padded(chunk.n, digits.n)}`
const partitionOrder = (partition: number): string => padded(partition, digits.partition)

export const keyOf = {
  partition: (topic: Topic, partition: number): Key<'partition'> => `partition/${topic}/${partitionOrder(partition)}`,
  job: (job: string): Key<'job'> => `job/${job}`,
  listing: (job: string, pass: number): Key<'listing'> => `listing/${job}/${padded(pass, digits.pass)}`,
  page: (job: string, page: PageId): Key<'page'> => `page/${job}/${pageOrder(page)}`,
  chunk: (job: string, chunk: string): Key<'chunk'> => `chunk/${job}/${chunkOrder(parseChunkId(chunk))}`,
  upload: (job: string, item: string, generation: number): Key<'upload'> =>
    `upload/${job}/${chunkOrder(parseChunkId(item))}/${padded(generation, digits.generation)}`,
  item: (job: string, item: string): Key<'item'> => `item/${job}/${chunkOrder(parseChunkId(item))}`,
  owed: (job: string, item: string): Key<'owed'> => `owed/${job}/${chunkOrder(parseChunkId(item))}`,
  tally: (job: string): Key<'tally'> => `tally/${job}`,
  load: (partition: number): Key<'load'> => `load/${partitionOrder(partition)}`,
  unplanned: (job: string, page: PageId): Key<'unplanned'> => `unplanned/${job}/${pageOrder(page)}`,
  leasable: (partition: number, job: string, chunk: string): Key<'leasable'> =>
    `leasable/${partitionOrder(partition)}/${job}/${chunkOrder(parseChunkId(chunk))}`,
  /** Whole items of one partition that were transferred and not read back yet. */
  verifiable: (partition: number, job: string, chunk: string): Key<'verifiable'> =>
    `verifiable/${partitionOrder(partition)}/${job}/${chunkOrder(parseChunkId(chunk))}`,
  /** Sealed uploads with parts that were not read back yet; any verifier takes the parts of its partitions. */
  verifiableUpload: (job: string, item: string, generation: number): Key<'verifiable'> =>
    `verifiable/upload/${job}/${chunkOrder(parseChunkId(item))}/${padded(generation, digits.generation)}`,
  sealable: (job: string, item: string, generation: number): Key<'sealable'> =>
    `sealable/${job}/${chunkOrder(parseChunkId(item))}/${padded(generation, digits.generation)}`,
  poison: (job: string, topic: Topic, partition: number, position: number): Key<'poison'> =>
    `poison/${job}/${topic}/${partitionOrder(partition)}/${padded(position, 16)}`,
  request: (job: string, partition: number, position: number): Key<'request'> =>
    `request/${job}/${partitionOrder(partition)}/${padded(position, 16)}`,
  report: (worker: string): Key<'report'> => `report/${worker}`,
  grant: (worker: string): Key<'grant'> => `grant/${worker}`,
  rate: (source: string): Key<'rate'> => `rate/${encodeURIComponent(source)}`,
}

/** The half-open range of keys that start with `prefix`. */
export function rangeOf(prefix: string): { readonly from: string; readonly to: string } {
  const last = prefix.charCodeAt(prefix.length - 1)
  return { from: prefix, to: prefix.slice(0, -1) + String.fromCharCode(last + 1) }
}

export function kindOf(key: string): RowKind {
  return key.slice(0, key.indexOf('/')) as RowKind
}

/** What a chunk row's key says: `chunk/JOB/pass.page.n`. */
export function parseChunkKey(key: string): { readonly job: string; readonly chunk: string } {
  const [, job = '', order = ''] = key.split('/')
  return { job, chunk: order.split('.').map(Number).join('.') }
}

/** What an upload-like key says: `KIND/.../JOB/item/generation`. */
export function parseUploadKey(key: string): {
  readonly job: string
  readonly item: string
  readonly generation: number
} {
  const [job = '', order = '', generation = ''] = key.split('/').slice(-3)
  return { job, item: order.split('.').map(Number).join('.'), generation: Number(generation) }
}

/** What an item-like key says: `KIND/JOB/item`. */
export function parseItemKey(key: string): { readonly job: string; readonly item: string } {
  const [job = '', order = ''] = key.split('/').slice(-2)
  return { job, item: order.split('.').map(Number).join('.') }
}
