// Writes a report in its master form, ndjson: header, one line an item, verdict, footer, signature. Streams: memory does not grow
// with the number of items.
import { createHash } from 'node:crypto'
import { orderOf } from '#libs/domain/name-order'
import {
  countTotals,
  encodeLine,
  makeFooter,
  makeSignature,
  makeVerdict,
  type ReportFooter,
  type ReportVerdict,
} from './footer.ts'
import { type ReportFacts, type ReportHeader, reportFormat, reportVersion } from './header.ts'
import type { SigningKey } from './keys.ts'
import { encodeLeaf, type ReportLeaf } from './leaf.ts'
import { createMerkleTree, leafHash } from './merkle.ts'
import type { Sink } from './output.ts'

export interface ReportContent {
  readonly facts: ReportFacts
  /** In the order of `orderOf`: that of the source's listing. */
  readonly leaves: AsyncIterable<ReportLeaf>
  /** Null: the report is not signed. */
  readonly signingKey: SigningKey | null
}

export interface WrittenReport {
  readonly footer: ReportFooter
  readonly verdict: ReportVerdict
}

/** Writes all lines to `sink` and returns what it came to. Throws RangeError when the leaves are out of order. */
export async function writeReport(sink: Sink, { facts, leaves, signingKey }: ReportContent): Promise<WrittenReport> {
  const digest = createHash('sha256')
  const tree = createMerkleTree()
  const count = countTotals()
  const header: ReportHeader = { ...facts, type: 'header', format: reportFormat, version: reportVersion }
  const headerLine = encodeLine(header)
  digest.update(headerLine)
  await sink.write(headerLine)

  let lastOrder: Buffer | null = null
  for await (const leaf of leaves) {
    const order = orderOf(Buffer.from(leaf.name, 'base64'), leaf.kind)
    if (lastOrder !== null && Buffer.compare(lastOrder, order) >= 0) {
      throw new RangeError(`leaf ${leaf.name} is out of order, or stands twice`)
    }
    lastOrder = order
    const line = Buffer.from(`${encodeLeaf(leaf)}\n`)
    digest.update(line)
    tree.add(leafHash(line.subarray(0, -1)))
    count.add(leaf)
    const written = sink.write(line)
    if (written !== null) await written
  }

  const totals = count.totals()
  const verdict = makeVerdict(facts, totals)
  const verdictLine = encodeLine(verdict)
  digest.update(verdictLine)
  await sink.write(verdictLine)
  const footer = makeFooter({
    totals,
    root: tree.root(),
    digest: digest.digest(),
    signer: signingKey?.publicKey.fingerprint ?? null,
  })
  const footerLine = encodeLine(footer)
  await sink.write(footerLine)
  if (signingKey !== null) await sink.write(encodeLine(makeSignature(footerLine, signingKey)))
  return { footer, verdict }
}
