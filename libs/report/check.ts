// Every check of a report, line by line: bytes canonical, items in order, totals, Merkle root, digest of all bytes,
// verdict, signature. Those that cover everything stand at the end.
import { createHash } from 'node:crypto'
import { orderOf } from '#libs/domain/name-order'
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
import type { PartLine, ReportForm } from './frame.ts'
import { headerProblem, isJsonObject, isReportHeader, type ReportHeader } from './header.ts'
import type { PublicKey } from './keys.ts'
import type { ReportLeaf } from './leaf.ts'
import { LeafProblem, parseLeaf } from './leaf-check.ts'
import { invalidReport } from './lines.ts'
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

/** Takes the lines of one report in order; `end` gives what was checked. Both throw REPORT_INVALID with line and reason. */
export class ReportCheck {
  readonly #publicKey: PublicKey | null
  readonly #digest = createHash('sha256')
  readonly #tree = createMerkleTree()
  readonly #count = countTotals()
  #header: ReportHeader | null = null
  #verdict: ReportVerdict | null = null
  #footer: { readonly value: ReportFooter; readonly line: Buffer } | null = null
  #signer: PublicKey | null = null
  #lastOrder: Buffer | null = null
  #lastLine = 0

  constructor({ publicKey }: ReadReportOptions) {
    this.#publicKey = publicKey
  }

  take(line: PartLine, form: ReportForm): ReportPiece {
    this.#lastLine = line.number
    switch (line.part) {
      case 'header':
        this.#header = this.#takeHeader(line)
        return { part: 'header', header: this.#header, line: line.bytes, form }
      case 'item':
        return { part: 'item', leaf: this.#takeItem(line), line: line.bytes }
      case 'verdict':
        this.#verdict = this.#takeVerdict(line)
        return { part: 'verdict', verdict: this.#verdict, line: line.bytes }
      case 'footer': {
        const footer = this.#takeFooter(line)
        this.#footer = { value: footer, line: Buffer.from(line.bytes) }
        return { part: 'footer', footer, line: line.bytes }
      }
      case 'signature':
        return { part: 'signature', signature: this.#takeSignature(line), line: line.bytes }
    }
  }

  end(form: ReportForm): CheckedReport {
    const header = this.#header
    const verdict = this.#verdict
    const footer = this.#footer?.value
    if (header === null || verdict === null || footer === undefined) {
      throw invalidReport(this.#lastLine + 1, 'the footer is missing')
    }
    return { form, header, verdict, footer, signature: this.#signatureStatus(footer) }
  }

  #signatureStatus(footer: ReportFooter): SignatureStatus {
    const wanted = this.#publicKey
    if (this.#signer === null) {
      if (footer.signer !== null) throw invalidReport(this.#lastLine + 1, 'the signature is missing')
      if (wanted !== null) throw invalidReport(this.#lastLine + 1, 'the report is not signed')
      return { kind: 'unsigned' }
    }
    const { fingerprint } = this.#signer
    if (wanted === null) return { kind: 'unknown_key', fingerprint }
    if (wanted.fingerprint === fingerprint) return { kind: 'known_key', fingerprint }
    throw invalidReport(this.#lastLine, `signed by another key: ${fingerprint}`)
  }

  #takeHeader({ bytes, number }: PartLine): ReportHeader {
    const value = parseCanonical(bytes, number)
    const problem = headerProblem(value)
    if (problem !== null || !isReportHeader(value)) throw invalidReport(number, problem ?? 'this is no header')
    this.#digest.update(bytes).update(lineEnd)
    return value
  }

  #takeItem({ bytes, number }: PartLine): ReportLeaf {
    const leaf = leafOfLine(bytes, number)
    const order = orderOf(Buffer.from(leaf.name, 'base64'), leaf.kind)
    if (this.#lastOrder !== null && Buffer.compare(this.#lastOrder, order) >= 0) {
      throw invalidReport(number, 'the item is out of order, or stands twice')
    }
    this.#lastOrder = order
    this.#digest.update(bytes).update(lineEnd)
    this.#tree.add(leafHash(bytes))
    this.#count.add(leaf)
    return leaf
  }

  /** Made again from what was read; the sentence alone may be worded differently by another version. */
  #takeVerdict({ bytes, number }: PartLine): ReportVerdict {
    if (this.#header === null) throw invalidReport(number, 'the verdict stands before the header')
    const sentence = parseCanonical(bytes, number)['sentence']
    if (typeof sentence !== 'string') throw invalidReport(number, 'the verdict has no sentence')
    const expected: ReportVerdict = { ...makeVerdict(this.#header, this.#count.totals()), sentence }
    if (!isLine(bytes, expected)) throw invalidReport(number, 'the verdict does not fit what stands above')
    this.#digest.update(bytes).update(lineEnd)
    return expected
  }

  #takeFooter({ bytes, number }: PartLine): ReportFooter {
    const value = parseCanonical(bytes, number)
    const signer = value['signer']
    if (signer !== null && typeof signer !== 'string') throw invalidReport(number, 'the footer names no signer')
    const expected = makeFooter({
      totals: this.#count.totals(),
      root: this.#tree.root(),
      digest: this.#digest.digest(),
      signer,
    })
    for (const member of ['digest', 'root', 'items', 'bytes'] as const) {
      if (value[member] !== expected[member]) throw invalidReport(number, `${member} does not fit what stands above`)
    }
    if (!isLine(bytes, expected)) throw invalidReport(number, 'the totals do not fit what stands above')
    return expected
  }

  #takeSignature({ bytes, number }: PartLine): ReportSignature {
    if (this.#footer === null) throw invalidReport(number, 'the signature stands before the footer')
    const checked = checkSignature({
      line: Buffer.concat([bytes, lineEnd]),
      value: parseCanonical(bytes, number),
      footer: this.#footer.value,
      footerLine: Buffer.concat([this.#footer.line, lineEnd]),
    })
    if (typeof checked === 'string') throw invalidReport(number, checked)
    this.#signer = checked.key
    return checked.signature
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
