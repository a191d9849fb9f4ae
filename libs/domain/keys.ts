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

type Remembered = (job: string, id: string) => string

/** Remembers what was made from the ids used last: a chunk's key is asked for some ten times while its events fold. */
function remembering(make: Remembered): Remembered {
  const byJob = new Map<string, Map<string, string>>()
  // An event asks for its own keys several times in a row.
  let last = { job: '', id: '', key: '' }
  return (job, id) => {
    if (last.id === id && last.job === job && last.key !== '') return last.key
    let known = byJob.get(job)
    if (known === undefined || known.size >= rememberedMax) {
      known = new Map()
      if (byJob.size >= rememberedJobsMax) byJob.clear()
      byJob.set(job, known)
    }
    let key = known.get(id)
    if (key === undefined) {
      key = make(job, id)
      known.set(id, key)
    }
    last = { job, id, key }
    return key
  }
}

const rememberedMax = 20_000
const rememberedJobsMax = 16

const pageOrder = ({ pass, page }: PageId): string => `${padded(pass, digits.pass)}.${padded(page, digits.page)}`
const chunkOrder = (chunk: ChunkId): string => `${pageOrder(chunk)}.${padded(chunk.n, digits.n)}`
/** The padded form of a chunk's or an item's id. */
const orderOfId = remembering((_, id) => chunkOrder(parseChunkId(id)))
const partitionOrder = (partition: number): string => padded(partition, digits.partition)

const ofPartition = {
  jobs: remembering((_, partition) => `partition/jobs/${partitionOrder(Number(partition))}`),
  listings: remembering((_, partition) => `partition/listings/${partitionOrder(Number(partition))}`),
  chunks: remembering((_, partition) => `partition/chunks/${partitionOrder(Number(partition))}`),
  rates: remembering((_, partition) => `partition/rates/${partitionOrder(Number(partition))}`),
} as const satisfies Record<Topic, Remembered>

const rememberedKeys = {
  chunk: remembering((job, chunk) => `chunk/${job}/${orderOfId('', chunk)}`),
  item: remembering((job, item) => `item/${job}/${orderOfId('', item)}`),
  owed: remembering((job, item) => `owed/${job}/${orderOfId('', item)}`),
  firstUpload: remembering((job, item) => `upload/${job}/${orderOfId('', item)}/${padded(1, digits.generation)}`),
  tally: remembering((_, job) => `tally/${job}`),
  load: remembering((_, partition) => `load/${partitionOrder(Number(partition))}`),
} as const

export const keyOf = {
  partition: (topic: Topic, partition: number): Key<'partition'> => ofPartition[topic]('', String(partition)),
  job: (job: string): Key<'job'> => `job/${job}`,
  listing: (job: string, pass: number): Key<'listing'> => `listing/${job}/${padded(pass, digits.pass)}`,
  page: (job: string, page: PageId): Key<'page'> => `page/${job}/${pageOrder(page)}`,
  chunk: (job: string, chunk: string): Key<'chunk'> => rememberedKeys.chunk(job, chunk),
  upload: (job: string, item: string, generation: number): Key<'upload'> =>
    generation === 1
      ? rememberedKeys.firstUpload(job, item)
      : `upload/${job}/${orderOfId('', item)}/${padded(generation, digits.generation)}`,
  item: (job: string, item: string): Key<'item'> => rememberedKeys.item(job, item),
  owed: (job: string, item: string): Key<'owed'> => rememberedKeys.owed(job, item),
  tally: (job: string): Key<'tally'> => rememberedKeys.tally('', job),
  load: (partition: number): Key<'load'> => rememberedKeys.load('', String(partition)),
  unplanned: (job: string, page: PageId): Key<'unplanned'> => `unplanned/${job}/${pageOrder(page)}`,
  leasable: (partition: number, job: string, chunk: string): Key<'leasable'> =>
    `leasable/${partitionOrder(partition)}/${job}/${orderOfId('', chunk)}`,
  /** Whole items of one partition that were transferred and not read back yet. */
  verifiable: (partition: number, job: string, chunk: string): Key<'verifiable'> =>
    `verifiable/${partitionOrder(partition)}/${job}/${orderOfId('', chunk)}`,
  /** Sealed uploads with parts that were not read back yet; any verifier takes the parts of its partitions. */
  verifiableUpload: (job: string, item: string, generation: number): Key<'verifiable'> =>
    `verifiable/upload/${job}/${orderOfId('', item)}/${padded(generation, digits.generation)}`,
  sealable: (job: string, item: string, generation: number): Key<'sealable'> =>
    `sealable/${job}/${orderOfId('', item)}/${padded(generation, digits.generation)}`,
  poison: (job: string, topic: Topic, partition: number, position: number): Key<'poison'> =>
    `${poisonPrefixOf(job)}${topic}/${partitionOrder(partition)}/${padded(position, 16)}`,
  request: (job: string, partition: number, position: number): Key<'request'> =>
    `request/${job}/${partitionOrder(partition)}/${padded(position, 16)}`,
  rejected: (job: string): Key<'rejected'> => `rejected/${job}`,
  report: (partition: number, worker: string): Key<'report'> => `report/${partitionOrder(partition)}/${worker}`,
  grant: (worker: string): Key<'grant'> => `grant/${worker}`,
  rate: (source: string): Key<'rate'> => `rate/${encodeURIComponent(source)}`,
}

/** What the keys of one partition's ready list begin with. */
export function readyPrefixOf(kind: 'leasable' | 'verifiable', partition: number, job: string): string {
  return `${kind}/${partitionOrder(partition)}/${job}/`
}

/** What the keys of a job's poison records begin with; of records that name no job for an empty `job`. */
export function poisonPrefixOf(job: string): string {
  return `poison/${job}/`
}

/** What the keys of the reports on one partition of the rates begin with. */
export function reportPrefixOf(partition: number): string {
  return `report/${partitionOrder(partition)}/`
}

/** What the keys of all generations of an item begin with. */
export function uploadPrefixOf(job: string, item: string): string {
  return `upload/${job}/${orderOfId('', item)}/`
}

/** The half-open range of keys that start with `prefix`. */
export function rangeOf(prefix: string): { readonly from: string; readonly to: string } {
  const last = prefix.charCodeAt(prefix.length - 1)
  return { from: prefix, to: prefix.slice(0, -1) + String.fromCharCode(last + 1) }
}

export function kindOf(key: string): RowKind {
  return key.slice(0, key.indexOf('/')) as RowKind
}

/** The job that a row belongs to; empty for rows of partitions, workers and sources. */
export function jobOfRowKey(key: string): string {
  const [kind, first = '', second = ''] = key.split('/')
  switch (kind as RowKind) {
    case 'job':
    case 'listing':
    case 'page':
    case 'chunk':
    case 'upload':
    case 'item':
    case 'owed':
    case 'tally':
    case 'unplanned':
    case 'sealable':
    case 'poison':
    case 'request':
    case 'rejected':
      return first
    case 'leasable':
    case 'verifiable':
      return second
    case 'partition':
    case 'load':
    case 'report':
    case 'grant':
    case 'rate':
      return ''
  }
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

/** What a poison row's key says: `poison/JOB/topic/partition/position`. */
export function parsePoisonKey(key: string): {
  readonly job: string
  readonly topic: Topic
  readonly partition: number
  readonly position: number
} {
  const [, job = '', topic = '', partition = '', position = ''] = key.split('/')
  return { job, topic: topic as Topic, partition: Number(partition), position: Number(position) }
}
