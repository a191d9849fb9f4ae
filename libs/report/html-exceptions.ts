// The items a person must look at, each with what was read at the source and what the target returned.
import { errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { formatCount, formatSize } from '#libs/domain/quantity'
import type { CheckedReport } from './check.ts'
import { type ExceptionOutcome, exceptionOutcomes, type ReportExcerpt } from './exceptions.ts'
import type { ReportLeaf } from './leaf.ts'
import { type Markup, markup, nameMarkup, nothing } from './markup.ts'

/** A large item may differ in 10,000 places. */
const differencesShownMax = 20

const outcomeTitles: Readonly<Record<ExceptionOutcome, string>> = {
  mismatched: 'The target returned other bytes than were read',
  missing: 'Not at the target',
  failed: 'Not copied',
  changed: 'Changed at the source during the run',
  unverifiable: 'Copied, but not readable again',
  pending: 'Not done yet',
  skipped: 'Skipped by design',
}

type Shown = ReportExcerpt['shown']

export function exceptionsSection(report: CheckedReport, shown: Shown, masterName: string): Markup {
  const groups = exceptionOutcomes
    .filter((outcome) => outcome !== 'skipped' && report.footer.totals[outcome].items > 0)
    .map((outcome) => exceptionGroup(report, outcome, shown, masterName))
  const body =
    groups.length === 0
      ? markup`<p>None: every listed item is proven, was there already, or was skipped by design.</p>`
      : markup`${groups}`
  return markup`<section><h2>Exceptions</h2>${body}</section>`
}

function exceptionGroup(
  { footer }: CheckedReport,
  outcome: ExceptionOutcome,
  shown: Shown,
  masterName: string,
): Markup {
  const { items, bytes } = footer.totals[outcome]
  const leaves = shown.get(outcome) ?? []
  const differing = leaves.filter(({ found }) => found !== undefined)
  const others = leaves.filter(({ found }) => found === undefined)
  return markup`<h3>${outcomeTitles[outcome]} <span class="count">(${outcome}: ${formatCount(items)} ${
    items === 1 ? 'item' : 'items'
  }, ${formatSize(bytes)})</span></h3>
${codeNotes(leaves)}${differing.map(differingItem)}${othersTable(others)}${moreMarkup(outcome, items - leaves.length, masterName)}`
}

function moreMarkup(outcome: ExceptionOutcome, more: number, masterName: string): Markup {
  if (more === 0) return nothing
  return markup`<p class="note">${formatCount(more)} more are not shown here. All of them:</p>
<pre>grep -a '"outcome":"${outcome}"' ${masterName}</pre>`
}

/** What the codes mean, each once and not beside every item. */
function codeNotes(leaves: readonly ReportLeaf[]): Markup {
  const codes = [...new Set(leaves.map(({ code }) => code ?? ''))].filter(isErrorCode)
  return markup`${codes.map((code) => markup`<p class="note"><code>${code}</code> ${errorCatalogue[code].help}</p>`)}`
}

/** The name, and the key where it is another. */
function placeOf({ name, key }: ReportLeaf): Markup {
  return key === null || key === name
    ? nameMarkup(name)
    : markup`${nameMarkup(name)} <span class="count">stored as</span> ${nameMarkup(key)}`
}

function differingItem(leaf: ReportLeaf): Markup {
  const { chunks, found = [], code, kind, size } = leaf
  const read = new Map(chunks.map(([offset, , digest]) => [offset, digest]))
  const rows = found.slice(0, differencesShownMax).map(
    ([
      offset,
      length,
      digest,
    ]) => markup`<tr><td class="figure">${formatCount(offset)}</td><td class="figure">${formatCount(length)}</td>
<td class="digest">${read.get(offset) ?? 'not read'}</td><td class="digest">${digest ?? 'could not be read'}</td></tr>`,
  )
  const more = found.length - rows.length
  return markup`<div class="item">
<p>${placeOf(leaf)}</p>
<p class="reason">${kind}, ${formatSize(size)}${code === null ? nothing : markup`, <code>${code}</code>`}</p>
<table><thead><tr><th class="figure">From byte</th><th class="figure">Bytes</th><th>SHA-256 read at the source</th><th>SHA-256 returned by the target</th></tr></thead>
<tbody>${rows}</tbody></table>
${more === 0 ? nothing : markup`<p class="reason">${formatCount(more)} more ranges of this item differ; its line in the master has them.</p>`}</div>
`
}

function othersTable(leaves: readonly ReportLeaf[]): Markup {
  if (leaves.length === 0) return nothing
  const rows = leaves.map(
    (leaf) => markup`<tr><td>${placeOf(leaf)}</td><td class="figure">${formatSize(leaf.size)}</td><td><code>${
      leaf.code ?? ''
    }</code></td><td class="digest">${digestWords(leaf)}</td></tr>
`,
  )
  return markup`<table class="items"><thead><tr><th>Name</th><th class="figure">Size</th><th>Code</th><th>SHA-256 read at the source</th></tr></thead><tbody>${rows}</tbody></table>`
}

/** Nothing came back to compare with, but what should have been there may be known. */
function digestWords({ chunks }: ReportLeaf): string {
  const [first] = chunks
  if (first === undefined) return 'not read'
  return chunks.length === 1 ? first[2] : `of ${formatCount(chunks.length)} chunks, see its line in the master`
}

export function skippedSection(report: CheckedReport, shown: Shown, masterName: string): Markup {
  const { items } = report.footer.totals.skipped
  const leaves = shown.get('skipped') ?? []
  if (items === 0) return nothing
  const rows = leaves.map(
    (leaf) => markup`<tr><td>${nameMarkup(leaf.name)}${
      leaf.link === undefined ? nothing : markup` <span class="count">links to</span> ${nameMarkup(leaf.link)}`
    }</td><td>${leaf.kind}</td><td><code>${leaf.code ?? ''}</code></td></tr>
`,
  )
  return markup`<section><h2>Skipped by design</h2>
${codeNotes(leaves)}<table><thead><tr><th>Name</th><th>Kind</th><th>Why</th></tr></thead><tbody>${rows}</tbody></table>
${moreMarkup('skipped', items - leaves.length, masterName)}</section>`
}
