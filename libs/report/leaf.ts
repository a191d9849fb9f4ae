// One line of the report for one item: the exact bytes that the Merkle tree covers. RFC 8785 (JSON Canonicalization
// Scheme) fixes them: members sorted by name, no blanks, shortest numbers. The writer below knows this one shape, which
// makes it several times faster than a general one; a test compares the two byte for byte.
import type { ItemKind, Outcome } from '#schemas/records'

/** [offset, length, SHA-256 in hex] of a range of the item, as it was read at the source. */
export type ChunkDigest = readonly [offset: number, length: number, digest: string]
/** The same range as the target returned it; null when nothing could be read. */
export type FoundDigest = readonly [offset: number, length: number, digest: string | null]

export interface SourceVersion {
  readonly size: number
  /** Nanoseconds since 1970, decimal: they do not fit 2^53. */
  readonly mtime_ns: string
  readonly ctime_ns: string
  /** `device:inode` */
  readonly inode: string
}

export interface ReportLeaf {
  /** Base64 of the name's bytes, relative to the source's root. */
  readonly name: string
  readonly kind: ItemKind
  /** Bytes of content: of a file its length, of a link that of its text, else 0. The totals add these up. */
  readonly size: number
  readonly outcome: Outcome
  /** Code of docs/errors.md that says why; null where there is nothing to say. */
  readonly code: string | null
  /** Base64 of the key at the target, without the job's prefix; null where there is none. */
  readonly key: string | null
  /** The stored version that was read back; null where there is none. */
  readonly seal: string | null
  readonly source: SourceVersion
  /** Ranges read at the source, ascending. An empty file, a link and a directory have one of their whole content. */
  readonly chunks: readonly ChunkDigest[]
  /** Ranges that differ at the target, ascending. Present only when there is one. */
  readonly found?: readonly FoundDigest[]
  /** Base64 of what a symbolic link says. Present only for links. */
  readonly link?: string
}

/** An S3 object has at most 10,000 parts, and each part is a chunk. */
export const chunksPerItemMax = 10_000
/** 10,000 chunks with both digests take 2 MB, a name of 4 KiB little beside it. */
export const lineBytesMax = 8 * 1024 * 1024

const ranges = (list: readonly FoundDigest[]): string => {
  let text = ''
  for (const [offset, length, digest] of list) {
    text += `${text === '' ? '' : ','}[${offset},${length},${digest === null ? 'null' : `"${digest}"`}]`
  }
  return `[${text}]`
}

/** RFC 8785 strings are those of JSON.stringify, but half a surrogate pair has no UTF-8 and is no string at all. */
function quoted(text: string): string {
  if (!text.isWellFormed()) throw new RangeError('a lone surrogate cannot be written')
  return JSON.stringify(text)
}

const quotedOrNull = (text: string | null): string => (text === null ? 'null' : quoted(text))

/** Canonical JSON of a leaf, without line end. Throws RangeError for strings that are not well-formed. */
export function encodeLeaf(leaf: ReportLeaf): string {
  const { source } = leaf
  const found = leaf.found === undefined ? '' : `"found":${ranges(leaf.found)},`
  const link = leaf.link === undefined ? '' : `"link":"${leaf.link}",`
  return (
    `{"chunks":${ranges(leaf.chunks)},"code":${quotedOrNull(leaf.code)},${found}` +
    `"key":${leaf.key === null ? 'null' : `"${leaf.key}"`},"kind":"${leaf.kind}",${link}"name":"${leaf.name}",` +
    `"outcome":"${leaf.outcome}","seal":${quotedOrNull(leaf.seal)},"size":${leaf.size},` +
    `"source":{"ctime_ns":${quoted(source.ctime_ns)},"inode":${quoted(source.inode)},` +
    `"mtime_ns":${quoted(source.mtime_ns)},"size":${source.size}}}`
  )
}
