// Reads a report and checks it on the way: bytes canonical, items in order, totals, Merkle root, digest of all bytes,
// verdict, signature. What is read counts only once the reading has ended without an error: the checks that cover
// everything stand at the end.
import { createHash } from 'node:crypto'
import {
  checkSignature,
  countTotals,
  encodeLine,
  makeFooter,
  makeVerdict,
  type ReportFooter,
  type ReportSignature,
  type ReportVerdict,
} from './footer.ts'
import { type PartLine, type ReportForm, type Unframer, unframe } from './frame.ts'
import { headerProblem, isJsonObject, isReportHeader, type ReportHeader } from './header.ts'
import type { PublicKey } from './keys.ts'
import { orderOf, type ReportLeaf } from './leaf.ts'
import { LeafProblem, parseLeaf } from './leaf-check.ts'
import { invalidReport, readLines } from './lines.ts'
import { createMerkleTree, leafHash } from './merkle.ts'

export type SignatureStatus =
  | { readonly kind: 'unsigned' }
  /** The signature fits the key that the report itself names; whose key that is, nobody said. */
  | { readonly kind: 'unknown_key'; readonly fingerprint: string }
  | { readonly kind: 'known_key'; readonly fingerprint: string }

export type ReportPiece =
  | { readonly part: 'header'; readonly header: ReportHeader; readonly line: Buffer; readonly form: ReportForm }
  | { readonly part: 'item'; readonly leaf: ReportLeaf; readonly line: Buffer }
  | { readonly part: 'verdict'; readonly verdict: ReportVerdict; readonly line: Buffer }
  | { readonly part: 'footer'; readonly footer: ReportFooter; readonly line: Buffer }
  | { readonly part: 'signature'; readonly signature: ReportSignature; readonly line: Buffer }

export interface CheckedReport {
  readonly form: ReportForm
  readonly header: ReportHeader
  readonly verdict: ReportVerdict
  readonly footer: ReportFooter
  readonly signature: SignatureStatus
}

export interface ReadReportOptions {
  /** The key that must have signed; null takes any key, and none. */
  readonly publicKey: PublicKey | null
}

const lineEnd = Buffer.from('\n')

/**
 * The pieces of a report in batches, lines without line end and valid until the next batch; returns what was checked.
 * Throws REPORT_INVALID with line and reason, REPORT_UNREADABLE.
 */
export async function* readReport(
  path: string,
  options: ReadReportOptions,
): AsyncGenerator<readonly ReportPiece[], CheckedReport> {
  const check = createReportCheck(options)
  let unframer: Unframer | null = null
  for await (const lines of readLines(path)) {
    const pieces: ReportPiece[] = []
    for (const line of lines) {
      unframer ??= unframe(line)
      const part = unframer.take(line)
      if (part !== null) pieces.push(check.take(part, unframer.form))
    }
    yield pieces
  }
  if (unframer === null) throw invalidReport(1, 'the file is empty')
  unframer.end()
  return check.end(unframer.form)
}

/** Reads a whole report for its checks alone. Throws REPORT_INVALID with line and reason, REPORT_UNREADABLE. */
export async function verifyReport(path: string, options: ReadReportOptions): Promise<CheckedReport> {
  const pieces = readReport(path, options)
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) return step.value
  }
}

interface ReportCheck {
  take(line: PartLine, form: ReportForm): ReportPiece
  end(form: ReportForm): CheckedReport
}

function createReportCheck({ publicKey }: ReadReportOptions): ReportCheck {
  const digest = createHash('sha256')
  const tree = createMerkleTree()
  const count = countTotals()
  let header: ReportHeader | null = null
  let verdict: ReportVerdict | null = null
  let footer: { readonly value: ReportFooter; readonly line: Buffer } | null = null
  let signer: PublicKey | null = null
  let lastOrder: Buffer | null = null
  let lastLine = 0

  function takeHeader({ bytes, number }: PartLine): ReportHeader {
    const value = parseCanonical(bytes, number)
    const problem = headerProblem(value)
    if (problem !== null || !isReportHeader(value)) throw invalidReport(number, problem ?? 'this is no header')
    digest.update(bytes).update(lineEnd)
    return value
  }

  function takeItem({ bytes, number }: PartLine): ReportLeaf {
    const leaf = leafOfLine(bytes, number)
    const order = orderOf(Buffer.from(leaf.name, 'base64'), leaf.kind)
    if (lastOrder !== null && Buffer.compare(lastOrder, order) >= 0) {
      throw invalidReport(number, 'the item is out of order, or stands twice')
    }
    lastOrder = order
    digest.update(bytes).update(lineEnd)
    tree.add(leafHash(bytes))
    count.add(leaf)
    return leaf
  }

  /** Made again from what was read; the sentence alone may be worded differently by another version. */
  function takeVerdict({ bytes, number }: PartLine, facts: ReportHeader): ReportVerdict {
    const value = parseCanonical(bytes, number)
    const sentence = value['sentence']
    if (typeof sentence !== 'string') throw invalidReport(number, 'the verdict has no sentence')
    const expected: ReportVerdict = { ...makeVerdict(facts, count.totals()), sentence }
    if (!isLine(bytes, expected)) throw invalidReport(number, 'the verdict does not fit what stands above')
    digest.update(bytes).update(lineEnd)
    return expected
  }

  function takeFooter({ bytes, number }: PartLine): ReportFooter {
    const value = parseCanonical(bytes, number)
    const { signer: named } = value
    if (named !== null && typeof named !== 'string') throw invalidReport(number, 'the footer names no signer')
    const expected = makeFooter({
      totals: count.totals(),
      root: tree.root(),
      digest: digest.digest(),
      signer: named,
    })
    for (const member of ['digest', 'root', 'items', 'bytes'] as const) {
      if (value[member] !== expected[member]) throw invalidReport(number, `${member} does not fit what stands above`)
    }
    if (!isLine(bytes, expected)) throw invalidReport(number, 'the totals do not fit what stands above')
    return expected
  }

  function takeSignature(line: PartLine): ReportSignature {
    if (footer === null) throw invalidReport(line.number, 'the signature stands before the footer')
    const value = parseCanonical(line.bytes, line.number)
    const checked = checkSignature({
      line: Buffer.concat([line.bytes, lineEnd]),
      value,
      footer: footer.value,
      footerLine: Buffer.concat([footer.line, lineEnd]),
    })
    if (typeof checked === 'string') throw invalidReport(line.number, checked)
    signer = checked.key
    return checked.signature
  }

  return {
    take(line, form) {
      lastLine = line.number
      switch (line.part) {
        case 'header':
          header = takeHeader(line)
          return { part: 'header', header, line: line.bytes, form }
        case 'item':
          return { part: 'item', leaf: takeItem(line), line: line.bytes }
        case 'verdict':
          if (header === null) throw invalidReport(line.number, 'the verdict stands before the header')
          verdict = takeVerdict(line, header)
          return { part: 'verdict', verdict, line: line.bytes }
        case 'footer': {
          footer = { value: takeFooter(line), line: Buffer.from(line.bytes) }
          return { part: 'footer', footer: footer.value, line: line.bytes }
        }
        case 'signature':
          return { part: 'signature', signature: takeSignature(line), line: line.bytes }
      }
    },
    end(form) {
      if (header === null || verdict === null || footer === null)
        throw invalidReport(lastLine + 1, 'the footer is missing')
      const checked = { form, header, verdict, footer: footer.value }
      if (signer === null) {
        if (footer.value.signer !== null) throw invalidReport(lastLine + 1, 'the signature is missing')
        if (publicKey !== null) throw invalidReport(lastLine + 1, 'the report is not signed')
        return { ...checked, signature: { kind: 'unsigned' } }
      }
      const { fingerprint } = signer
      if (publicKey === null) return { ...checked, signature: { kind: 'unknown_key', fingerprint } }
      if (publicKey.fingerprint !== fingerprint) {
        throw invalidReport(lastLine, `signed by another key: ${fingerprint}`)
      }
      return { ...checked, signature: { kind: 'known_key', fingerprint } }
    },
  }
}

function leafOfLine(bytes: Buffer, number: number): ReportLeaf {
  try {
    return parseLeaf(bytes)
  } catch (cause) {
    if (cause instanceof LeafProblem) throw invalidReport(number, cause.message, cause)
    throw cause
  }
}

function parseCanonical(bytes: Buffer, number: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw invalidReport(number, 'the line is not JSON', cause)
  }
  if (!isJsonObject(value)) throw invalidReport(number, 'the line is not an object')
  if (!isCanonical(bytes, value)) throw invalidReport(number, 'the line is not canonical')
  return value
}

function isLine(bytes: Buffer, value: object): boolean {
  return encodeLine(value).subarray(0, -1).equals(bytes)
}

function isCanonical(bytes: Buffer, value: object): boolean {
  try {
    return isLine(bytes, value)
  } catch {
    // Half a surrogate pair has no canonical form.
    return false
  }
}

/** How a report is signed, in words. */
export function signatureInWords(signature: SignatureStatus): string {
  switch (signature.kind) {
    case 'unsigned':
      return 'not signed'
    case 'unknown_key':
      return `signed by unknown key ${signature.fingerprint}`
    case 'known_key':
      return `signed by the given key ${signature.fingerprint}`
  }
}
