// The last lines of a report. The verdict says what it came to; the footer sums up and pins down every byte before it, the
// verdict's sentence included; the signature line signs the footer. The footer names its signer, so that cutting the
// signature off is seen.
import canonicalize from 'canonicalize'
import {
  type ExitCode,
  emptyTotals,
  outcomes,
  sumOfTotals,
  type Tally,
  type Totals,
  type VerdictStatus,
  verdictOfPass,
} from '#libs/domain/report'
import type { ReportFacts } from './header.ts'
import { isSignedBy, type PublicKey, parsePublicKey, type SigningKey, sign } from './keys.ts'
import type { ReportLeaf } from './leaf.ts'

export interface ReportVerdict {
  readonly type: 'verdict'
  readonly status: VerdictStatus
  /** For people. Its wording may change between versions: it is covered by the digest and not computed again. */
  readonly sentence: string
  readonly exit_code: ExitCode
}

export interface ReportFooter {
  readonly type: 'footer'
  readonly items: number
  readonly bytes: number
  readonly totals: Totals
  /** Merkle root over the item lines, hex. */
  readonly root: string
  /** SHA-256 of all bytes before this line, hex. */
  readonly digest: string
  /** Fingerprint of the key that signs this line; null: not signed. */
  readonly signer: string | null
}

export interface ReportSignature {
  readonly type: 'signature'
  readonly algorithm: 'Ed25519'
  readonly fingerprint: string
  /** Base64 of the SPKI DER form. */
  readonly public_key: string
  /** Base64. Signed is the footer line with its line end. */
  readonly signature: string
}

/** Counts item lines by outcome. */
interface TotalsCount {
  add(leaf: ReportLeaf): void
  totals(): Totals
}

export function countTotals(): TotalsCount {
  const counts = new Map(outcomes.map((outcome) => [outcome, { items: 0, bytes: 0 }]))
  return {
    add({ outcome, size }) {
      const count = counts.get(outcome)
      if (count === undefined) throw new RangeError(`unknown outcome ${outcome}`)
      count.items += 1
      count.bytes += size
    },
    totals: () => ({ ...emptyTotals, ...Object.fromEntries(counts) }),
  }
}

export function makeVerdict(facts: ReportFacts, totals: Totals): ReportVerdict {
  const { status, sentence, exitCode } = verdictOfPass({
    state: facts.state,
    totals,
    listed: facts.listed,
    hasSelection: facts.has_selection,
  })
  return { type: 'verdict', status, sentence, exit_code: exitCode }
}

interface FooterFacts {
  readonly totals: Totals
  readonly root: Buffer
  readonly digest: Buffer
  readonly signer: string | null
}

export function makeFooter({ totals, root, digest, signer }: FooterFacts): ReportFooter {
  const sum: Tally = sumOfTotals(totals)
  return {
    type: 'footer',
    items: sum.items,
    bytes: sum.bytes,
    totals,
    root: root.toString('hex'),
    digest: digest.toString('hex'),
    signer,
  }
}

/** Canonical JSON with a line end. */
export function encodeLine(value: object): Buffer {
  return Buffer.from(`${canonicalize(value) ?? ''}\n`)
}

export function makeSignature(footerLine: Buffer, key: SigningKey): ReportSignature {
  return {
    type: 'signature',
    algorithm: 'Ed25519',
    fingerprint: key.publicKey.fingerprint,
    public_key: key.publicKey.der.toString('base64'),
    signature: sign(footerLine, key).toString('base64'),
  }
}

interface SignatureCheck {
  readonly line: Buffer
  readonly value: unknown
  readonly footer: ReportFooter
  readonly footerLine: Buffer
}

/** The signature and its signer, or what is wrong with the line. */
export function checkSignature({
  line,
  value,
  footer,
  footerLine,
}: SignatureCheck): { readonly signature: ReportSignature; readonly key: PublicKey } | string {
  const member = (name: string): string => {
    const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    return typeof found === 'string' ? found : ''
  }
  const der = Buffer.from(member('public_key'), 'base64')
  const signature = Buffer.from(member('signature'), 'base64')
  const key = parsePublicKey(der)
  if (key === null) return 'the public key of the signature is not an Ed25519 key'
  // Built again from its parts, so that no other spelling of the same signature passes.
  const expected: ReportSignature = {
    type: 'signature',
    algorithm: 'Ed25519',
    fingerprint: key.fingerprint,
    public_key: der.toString('base64'),
    signature: signature.toString('base64'),
  }
  if (!encodeLine(expected).equals(line)) return 'the signature line is not in its fixed form'
  if (footer.signer !== key.fingerprint) return 'the footer names another signer'
  return isSignedBy(footerLine, signature, key) ? { signature: expected, key } : 'the signature does not fit the footer'
}
