// One number for the whole state (I5): folding the same log from anywhere, in any interleaving and with duplicates, gives
// the same one. Positions are left out, since an export of the log or a duplicate in it moves them.
import { createHash } from 'node:crypto'
import { undigestedKinds } from '#libs/domain/fold'
import { jobOfRowKey, kindOf, poisonPrefixOf, rangeOf } from '#libs/domain/keys'
import type { StateStore, StoreRow } from '#libs/store/state-store'
import { decodeRow } from '#schemas/row-wire'
import { type RowKind, rowRecords } from '#schemas/rows'

const rowsAtOnce = 1_000
type KeyRange = { readonly from: string; readonly to: string }
const byText = (a: string, b: string): number => (a < b ? -1 : 1)
/** All keys are printable ASCII. */
const everyKey: KeyRange = { from: ' ', to: '\x7f' }

const isPosition = (name: string): boolean => name === 'position' || name.endsWith('At')

/** JSON with sorted names, bytes in base64, and no positions: the same text for the same row. */
function textOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString('base64'))
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter(([name]) => !isPosition(name))
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${textOf(field)}`).join(',')}}`
}

/** A poison row's key ends with the position of its record. */
const keyText = (key: string, kind: RowKind): string => (kind === 'poison' ? key.slice(0, key.lastIndexOf('/')) : key)

/** Records that name no job may come from anyone, and a null value goes when the log is compacted. */
const isOfNoJob = (key: string): boolean => key.startsWith(poisonPrefixOf(''))

/** One line for a row: key and fields; null for rows that are no part of the state. */
export function digestLine(key: string, value: Buffer): string | null {
  const kind = kindOf(key)
  if (!Object.hasOwn(rowRecords, kind) || undigestedKinds.has(kind) || isOfNoJob(key)) return null
  return `${keyText(key, kind)} ${textOf(decodeRow(kind, value))}\n`
}

/** The rows in the order of keys, a thousand at a time. */
async function* rowsOf(store: StateStore, range: KeyRange): AsyncGenerator<StoreRow> {
  let { from } = range
  for (;;) {
    const rows = await store.range({ from, to: range.to, limit: rowsAtOnce })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsAtOnce) return
    from = `${last.key}\u0000`
  }
}

/** The lines that the digest is made of, in the order of keys. */
export async function* digestLines(store: StateStore): AsyncGenerator<string> {
  for await (const { key, value } of rowsOf(store, everyKey)) {
    const line = digestLine(key, value)
    if (line !== null) yield line
  }
}

/** SHA-256 in hex over the sorted rows. The store must not change meanwhile. */
export async function stateDigest(store: StateStore): Promise<string> {
  const hash = createHash('sha256')
  for await (const line of digestLines(store)) hash.update(line)
  return hash.digest('hex')
}

/** Kinds whose keys begin with a partition; their lists are short. */
const kindsByPartition: ReadonlySet<RowKind> = new Set<RowKind>(['leasable', 'verifiable'])

/**
 * SHA-256 in hex over the rows of one job: the same whether its log holds other jobs or not. Claims and loads of partitions
 * are no rows of a job. The store must not change meanwhile.
 */
export async function jobDigest(store: StateStore, job: string): Promise<string> {
  const hash = createHash('sha256')
  for (const kind of Object.keys(rowRecords).sort(byText)) {
    // A job's only row of a kind has a key that ends with its name.
    const range = kindsByPartition.has(kind as RowKind) ? rangeOf(`${kind}/`) : rangeOf(`${kind}/${job}`)
    for await (const { key, value } of rowsOf(store, range)) {
      const line = jobOfRowKey(key) === job ? digestLine(key, value) : null
      if (line !== null) hash.update(line)
    }
  }
  return hash.digest('hex')
}
