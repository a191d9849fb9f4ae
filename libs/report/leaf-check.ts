// Reads an item line back. Whatever does not give exactly the same bytes when it is written again is refused, so there is
// one spelling of each line; what no honest run could have written is refused too.

import { outcomes } from '#libs/domain/report'
import type { ItemKind, Outcome } from '#schemas/records'
import { isJsonObject } from './header.ts'
import {
  type ChunkDigest,
  chunksPerItemMax,
  encodeLeaf,
  type FoundDigest,
  type ReportLeaf,
  type SourceVersion,
} from './leaf.ts'

/** Why a line is not a leaf, in words. */
export class LeafProblem extends Error {}

const kinds: readonly ItemKind[] = ['file', 'directory', 'symlink', 'special']
const hexDigest = /^[0-9a-f]{64}$/
const decimal = /^-?[0-9]{1,20}$/

/** The leaf that `line` (without line end) holds. Throws LeafProblem. */
export function parseLeaf(line: Buffer): ReportLeaf {
  const leaf = leafOf(parseJson(line))
  if (!Buffer.from(encodeLeaf(leaf)).equals(line)) throw new LeafProblem('the line is not canonical')
  const problem = contradictionOf(leaf)
  if (problem !== null) throw new LeafProblem(problem)
  return leaf
}

function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch (cause) {
    throw new LeafProblem('the line is not JSON', { cause })
  }
}

function leafOf(value: unknown): ReportLeaf {
  if (!isJsonObject(value)) throw new LeafProblem('the line is not an object')
  const { source, found, link } = value
  return {
    name: base64(value['name'], 'name'),
    kind: oneOf<ItemKind>(value['kind'], kinds, 'kind'),
    size: whole(value['size'], 'size'),
    outcome: oneOf<Outcome>(value['outcome'], outcomes, 'outcome'),
    code: value['code'] === null ? null : text(value['code'], 'code'),
    key: value['key'] === null ? null : base64(value['key'], 'key'),
    seal: value['seal'] === null ? null : text(value['seal'], 'seal'),
    source: sourceOf(source),
    chunks: rangesOf(value['chunks'], 'chunks').map(demandDigest),
    ...(found === undefined ? {} : { found: rangesOf(found, 'found') }),
    ...(link === undefined ? {} : { link: base64(link, 'link') }),
  }
}

function sourceOf(value: unknown): SourceVersion {
  if (!isJsonObject(value)) throw new LeafProblem('source is missing')
  return {
    size: whole(value['size'], 'source.size'),
    mtime_ns: decimalText(value['mtime_ns'], 'source.mtime_ns'),
    ctime_ns: decimalText(value['ctime_ns'], 'source.ctime_ns'),
    inode: text(value['inode'], 'source.inode'),
  }
}

function rangesOf(value: unknown, member: string): readonly FoundDigest[] {
  if (!Array.isArray(value)) throw new LeafProblem(`${member} is not a list`)
  if (value.length > chunksPerItemMax) throw new LeafProblem(`${member} has more than ${chunksPerItemMax} ranges`)
  let end = 0
  return value.map((range: unknown): FoundDigest => {
    if (!Array.isArray(range)) throw new LeafProblem(`${member} holds something that is no range`)
    const offset = whole(range[0], member)
    const length = whole(range[1], member)
    if (offset < end) throw new LeafProblem(`ranges of ${member} overlap or are out of order`)
    end = offset + length
    const digest: unknown = range[2]
    if (digest === null) return [offset, length, null]
    if (typeof digest !== 'string' || !hexDigest.test(digest)) throw new LeafProblem(`${member} holds no SHA-256`)
    return [offset, length, digest]
  })
}

function demandDigest([offset, length, digest]: FoundDigest): ChunkDigest {
  if (digest === null) throw new LeafProblem('a chunk has no digest')
  return [offset, length, digest]
}

function text(value: unknown, member: string): string {
  if (typeof value !== 'string' || !value.isWellFormed()) throw new LeafProblem(`${member} is not a string`)
  return value
}

function decimalText(value: unknown, member: string): string {
  const read = text(value, member)
  if (!decimal.test(read)) throw new LeafProblem(`${member} is not a decimal number`)
  return read
}

function base64(value: unknown, member: string): string {
  const read = text(value, member)
  // The decoder forgives; the one spelling that the encoder gives is demanded.
  if (read === '' || Buffer.from(read, 'base64').toString('base64') !== read) {
    throw new LeafProblem(`${member} is not base64 of something`)
  }
  return read
}

function whole(value: unknown, member: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new LeafProblem(`${member} is not a whole number`)
  }
  return value
}

function oneOf<T extends string>(value: unknown, known: readonly T[], member: string): T {
  const found = known.find((word) => word === value)
  if (found === undefined) throw new LeafProblem(`${member} is unknown`)
  return found
}

/** What contradicts itself in a leaf: proof that does not cover the content, or a difference that is none. */
function contradictionOf({ kind, outcome, size, source, chunks, found, link }: ReportLeaf): string | null {
  if (link !== undefined && kind !== 'symlink') return 'only a link has a link text'
  const isProven = outcome === 'verified' || outcome === 'already_there'
  if (found !== undefined) {
    if (found.length === 0) return 'found is empty'
    if (isProven) return `the item is ${outcome} and yet something else was found`
    const read = new Map(chunks.map(([offset, length, digest]) => [offset, { length, digest }]))
    for (const [offset, length, digest] of found) {
      const chunk = read.get(offset)
      if (chunk === undefined || chunk.length !== length) return 'found names a range that is no chunk'
      if (chunk.digest === digest) return 'found names a digest that does not differ'
    }
  }
  if (!isProven) return null
  if (kind === 'file' && size !== source.size) return `the item is ${outcome} with another size than the source has`
  let end = 0
  for (const [offset, length] of chunks) {
    if (offset !== end) return `the item is ${outcome} and its chunks leave a gap`
    end += length
  }
  return chunks.length > 0 && end === size ? null : `the item is ${outcome} and its chunks do not cover it`
}
