// One number for the whole state (I5): folding the same log from anywhere, in any interleaving and with duplicates, gives
// the same one. Positions are left out, since an export of the log or a duplicate in it moves them.
import { createHash } from 'node:crypto'
import { undigestedKinds } from '#libs/domain/fold'
import { kindOf, poisonPrefixOf } from '#libs/domain/keys'
import type { StateStore } from '#libs/store/state-store'
import { decodeRow } from '#schemas/row-wire'
import { type RowKind, rowRecords } from '#schemas/rows'

const rowsAtOnce = 1_000
/** All keys are printable ASCII. */
const everyKey = { from: ' ', to: '\x7f' } as const

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

/** The lines that the digest is made of, in the order of keys. */
export async function* digestLines(store: StateStore): AsyncGenerator<string> {
  let from: string = everyKey.from
  for (;;) {
    const rows = await store.range({ from, to: everyKey.to, limit: rowsAtOnce })
    for (const { key, value } of rows) {
      const line = digestLine(key, value)
      if (line !== null) yield line
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsAtOnce) return
    from = `${last.key}\u0000`
  }
}

/** SHA-256 in hex over the sorted rows. The store must not change meanwhile. */
export async function stateDigest(store: StateStore): Promise<string> {
  const hash = createHash('sha256')
  for await (const line of digestLines(store)) hash.update(line)
  return hash.digest('hex')
}
