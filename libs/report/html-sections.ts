// The sections of the html report behind the exceptions: sums, how it was proven, with what, and how to check it.
import { errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { formatCount, formatSize } from '#libs/domain/quantity'
import { outcomes, type Tally } from '#libs/domain/report'
import type { Outcome } from '#schemas/records'
import type { CheckedReport } from './check.ts'
import type { Json } from './header.ts'
import { type Markup, markup, nameMarkup, nothing } from './markup.ts'

const outcomeMeanings: Readonly<Record<Outcome, string>> = {
  verified: 'Read back from the target and equal to what was read at the source',
  already_there: 'Found at the target, not written by this job; read back and equal',
  mismatched: 'The target returned other bytes than were read at the source',
  missing: 'Was written and is not at the target any more',
  failed: 'Could not be copied',
  changed: 'Changed at the source while it was read, again and again',
  unverifiable: 'Copied, but not read back',
  skipped: 'Not to be moved: special files, other file systems, or by option',
  pending: 'No outcome yet',
}

const alarming: readonly Outcome[] = ['mismatched', 'missing', 'failed', 'changed', 'unverifiable']

const tallyCells = ({ items, bytes }: Tally): Markup =>
  markup`<td class="figure">${formatCount(items)}</td><td class="figure">${formatCount(bytes)}</td><td class="figure">${formatSize(bytes)}</td>`

export function totalsSection({ header, footer }: CheckedReport): Markup {
  const rows = outcomes.map((outcome) => {
    const tally = footer.totals[outcome]
    const look = tally.items === 0 ? 'none' : alarming.includes(outcome) ? 'alarm' : 'some'
    return markup`<tr class="${{ html: look }}"><th scope="row">${outcome}</th><td>${outcomeMeanings[outcome]}</td>${tallyCells(tally)}</tr>
`
  })
  const isWhole = footer.items === header.listed.items && footer.bytes === header.listed.bytes
  return markup`<section><h2>Totals</h2>
<table><thead><tr><th>Outcome</th><th>Meaning</th><th class="figure">Items</th><th class="figure">Bytes</th><th class="figure">Size</th></tr></thead>
<tbody>${rows}</tbody>
<tfoot><tr><th scope="row">Sum</th><td></td>${tallyCells(footer)}</tr>
<tr><th scope="row">Listed</th><td>Counted while the source was listed</td>${tallyCells(header.listed)}</tr></tfoot></table>
<p class="note">${
    isWhole
      ? 'Every listed item has exactly one outcome: the sums are equal.'
      : 'The sums differ: items are still without an outcome, or the report is not of a finished pass.'
  }</p></section>`
}

interface Fact {
  readonly name: string
  readonly value: string | Markup
}

const factsTable = (facts: readonly Fact[]): Markup =>
  markup`<table class="facts"><tbody>${facts.map(
    ({ name, value }) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>
`,
  )}</tbody></table>`

const proofModes: Readonly<Record<string, string>> = {
  full: 'Chunks are read back from the target by a reader that is not the writer, over its own connections, and their SHA-256 is compared with that of the bytes read at the source. An item is verified only when all its chunks are.',
  sample:
    'A sample of the chunks is read back from the target by a reader that is not the writer and compared by SHA-256; what was not read back is unverifiable.',
  none: 'Nothing was read back: no item can be verified.',
}

export function proofSection({ header }: CheckedReport): Markup {
  const { proof, moved, reconciliation, source } = header
  return markup`<section><h2>How it was verified</h2>
<p>${proofModes[proof.mode] ?? ''}</p>
${factsTable([
  { name: 'Read back', value: proof.mode === 'sample' ? `sample of ${proof.sample_percent} %` : proof.mode },
  { name: 'Rounds', value: formatCount(proof.rounds) },
  { name: 'Readers', value: proof.readers.length === 0 ? 'none' : proof.readers.join(', ') },
  { name: 'Credentials of the readers', value: proof.has_own_credentials ? 'their own' : 'the same as the writers' },
  { name: 'Page cache', value: cacheWords(proof.chunks_cache_bypassed, proof.chunks_through_cache) },
  { name: 'Read at the source', value: sizeWords(moved.source_bytes_read) },
  { name: 'Written to the target', value: sizeWords(moved.target_bytes_written) },
  { name: 'Read back from the target', value: sizeWords(moved.target_bytes_read) },
  { name: 'How the source was seen', value: source.read_view },
  { name: 'Root of the source', value: source.root_identity },
])}
<h3>Reconciliation</h3>
${reconciliation === null ? markup`<p>None in this pass.</p>` : reconciliationMarkup(reconciliation)}</section>`
}

const sizeWords = (bytes: number): string => `${formatCount(bytes)} bytes (${formatSize(bytes)})`

function cacheWords(bypassed: number, through: number): string {
  if (bypassed + through === 0) return 'no chunk was read back'
  if (through === 0) return `bypassed for all ${formatCount(bypassed)} chunks`
  return `bypassed for ${formatCount(bypassed)} chunks; ${formatCount(through)} chunks may have come from a cache`
}

function reconciliationMarkup(reconciliation: NonNullable<CheckedReport['header']['reconciliation']>): Markup {
  const { mode, objects, bytes, differing, strangers, stranger_samples: samples } = reconciliation
  const names = samples.map((sample, index) => markup`${index === 0 ? '' : ', '}${nameMarkup(sample)}`)
  return factsTable([
    {
      name: 'How',
      value:
        mode === 'full'
          ? 'the whole target was read once more'
          : 'the target was listed and compared by counts, sizes and tags',
    },
    { name: 'At the target', value: `${formatCount(objects)} objects, ${sizeWords(bytes)}` },
    { name: 'Differing', value: formatCount(differing) },
    {
      name: 'Not of this job',
      value: samples.length === 0 ? formatCount(strangers) : markup`${formatCount(strangers)}, for example ${names}`,
    },
  ])
}

/** Whose key it is the page cannot know: that is told by comparing the fingerprint. */
export function signerWords(signer: string | null): string {
  return signer === null ? 'not signed' : `signed with the Ed25519 key ${signer}`
}

export function fingerprintSection({ footer }: CheckedReport): Markup {
  const { signer } = footer
  const digest = (text: string): Markup => markup`<span class="digest">${text}</span>`
  return markup`<section><h2>Fingerprints</h2>
${factsTable([
  { name: 'Merkle root (RFC 6962)', value: digest(footer.root) },
  { name: 'SHA-256 of all lines before the footer', value: digest(footer.digest) },
  { name: 'Signature', value: digest(signerWords(signer)) },
])}
${
  signer === null
    ? markup`<p class="note">Without a signature the digests show that the file is whole, not who made it.</p>`
    : markup`<p class="note">Compare the key's fingerprint with one that you got another way.</p>`
}</section>`
}

export function findingsSection({ header }: CheckedReport): Markup {
  const { findings, notes, vanished } = header
  const rows = Object.entries(findings).map(
    ([code, count]) =>
      markup`<tr><th scope="row"><code>${code}</code></th><td>${isErrorCode(code) ? errorCatalogue[code].help : ''}</td><td class="figure">${formatCount(count)}</td></tr>`,
  )
  const gone =
    vanished === 0
      ? nothing
      : markup`<p>${formatCount(vanished)} items of an earlier pass are no longer at the source; at the target they were left alone.</p>`
  if (rows.length === 0 && notes.length === 0 && vanished === 0) return nothing
  return markup`<section><h2>Findings</h2>
${
  rows.length === 0
    ? nothing
    : markup`<table><thead><tr><th>Code</th><th>Meaning</th><th class="figure">Count</th></tr></thead><tbody>${rows}</tbody></table>`
}${gone}${notes.length === 0 ? nothing : markup`<ul>${notes.map((note) => markup`<li>${note}</li>`)}</ul>`}</section>`
}

export function configurationSection({ header }: CheckedReport): Markup {
  const { configuration, abilities } = header
  return markup`<section><h2>Configuration</h2>
${factsTable(Object.entries(configuration).map(factOfMember))}
<h2>What the target can do</h2>
${
  abilities === null
    ? markup`<p>The target was not probed.</p>`
    : markup`<p>Found by trying it before the first byte was moved.</p>${factsTable(Object.entries(abilities).map(factOfMember))}`
}</section>`
}

function factOfMember([name, value]: readonly [string, Json]): Fact {
  return { name: name.replaceAll('_', ' '), value: memberWords(name, value) }
}

function memberWords(name: string, value: Json): string {
  if (value === null || value === '') return 'not set'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') return /(^|_)bytes(_|$)/.test(name) ? sizeWords(value) : formatCount(value)
  if (typeof value === 'string') return value
  return Object.keys(value).length === 0 ? 'none' : JSON.stringify(value)
}

export function checkSection({ header, footer }: CheckedReport, masterName: string): Markup {
  const isSigned = footer.signer !== null
  return markup`<section><h2>Check this yourself</h2>
<p>None of this needs waybill. <code>${masterName}</code> is the report of which this page is an extract; <code>docs/report.md</code> of waybill describes every byte of it.</p>
<h3>The report is whole</h3>
<pre>head -n -${isSigned ? 2 : 1} ${masterName} | sha256sum
# ${footer.digest}</pre>
${isSigned ? signatureCommands(masterName) : nothing}
<h3>The stored bytes</h3>
<p><code>waybill report show ${header.job} --format sha256sums --output sums</code> writes <code>SHA256SUMS</code>, <code>CHUNKSUMS</code> and <code>check.py</code>. In the target's folder, or in a copy of the bucket:</p>
<pre>sha256sum -c SHA256SUMS
python3 check.py CHUNKSUMS</pre>
<h3>One item of your choice</h3>
<pre>printf %s 'path/of/the/item' | base64 -w 0
grep -a '"name":"THAT BASE64"' ${masterName}</pre>
<p>Its line has offset, length and SHA-256 of every chunk: <code>tail -c +$((OFFSET + 1)) FILE | head -c LENGTH | sha256sum</code>.</p>
<h3>With waybill</h3>
<pre>waybill report verify ${masterName}${isSigned ? ' --public-key KEY.pub' : ''}</pre></section>`
}

function signatureCommands(masterName: string): Markup {
  const member = (name: string): string => String.raw`sed 's/.*"${name}":"\([^"]*\)".*/\1/' | base64 -d`
  const commands = [
    `tail -n 2 ${masterName} | head -n 1 > footer`,
    `tail -n 1 ${masterName} | ${member('public_key')} > key.der`,
    `tail -n 1 ${masterName} | ${member('signature')} > signature`,
    'sha256sum key.der   # the fingerprint',
    'openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in footer -sigfile signature',
  ]
  return markup`<h3>The signature</h3>
<pre>${commands.map(
    (command) => markup`${command}
`,
  )}</pre>`
}

export function limitSection(): Markup {
  return markup`<section><h2>What this shows, and what it does not</h2>
<p class="limit">This report shows that what the target returned equals what was read at the source, chunk by chunk, at the times given. It cannot show that the source returned the right bytes: a source that gave the same wrong bytes each time looks the same. It speaks of the time of the last reading; what happens to the target later is found by reading it again.</p></section>`
}
