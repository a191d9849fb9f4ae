// The items a person must look at, each with what was read at the source and what the target returned.
import { errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { formatCount, formatSize } from '#libs/domain/quantity'
import { type ExceptionOutcome, exceptionOutcomes, type ReportExcerpt } from './exceptions.ts'
import type { ReportLeaf } from './leaf.ts'
import { type Markup, markup, nameMarkup, nothing } from './markup.ts'
import type { CheckedReport } from './read.ts'

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
  return markup`<h3>${outcomeTitles[outcome]} <span class="count">(${outcome}: ${formatCount(items)} ${
    items === 1 ? 'item' : 'items'
  }, ${formatSize(bytes)})</span></h3>
${leaves.map(itemMarkup)}${moreMarkup(outcome, items - leaves.length, masterName)}`
}

function moreMarkup(outcome: ExceptionOutcome, more: number, masterName: string): Markup {
  if (more === 0) return nothing
  return markup`<p class="note">${formatCount(more)} more are not shown here. All of them:</p>
<pre>grep -a '"outcome":"${outcome}"' ${masterName}</pre>`
}

function itemMarkup(leaf: ReportLeaf): Markup {
  const { code } = leaf
  const help = code !== null && isErrorCode(code) ? errorCatalogue[code].help : ''
  const place = leaf.key === null || leaf.key === leaf.name ? nothing : markup` stored as ${nameMarkup(leaf.key)}`
  return markup`<div class="item">
<p>${nameMarkup(leaf.name)}${place} <span class="count">${leaf.kind}, ${formatSize(leaf.size)}</span></p>
<p class="reason">${code === null ? nothing : markup`<code>${code}</code>. `}${help}</p>
${digestsMarkup(leaf)}</div>
`
}

function digestsMarkup({ outcome, chunks, found = [] }: ReportLeaf): Markup {
  if (found.length === 0) return expectedMarkup(outcome, chunks)
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
  return markup`<table><thead><tr><th class="figure">From byte</th><th class="figure">Bytes</th><th>SHA-256 read at the source</th><th>SHA-256 returned by the target</th></tr></thead>
<tbody>${rows}</tbody></table>
${more === 0 ? nothing : markup`<p class="note">${formatCount(more)} more ranges of this item differ; its line in the master has them.</p>`}`
}

/** Nothing to compare with, but what should have been there is known. */
function expectedMarkup(outcome: ReportLeaf['outcome'], chunks: ReportLeaf['chunks']): Markup {
  const [first] = chunks
  if (first === undefined || outcome === 'skipped') return nothing
  if (chunks.length > 1)
    return markup`<p class="reason">${formatCount(chunks.length)} chunks were read at the source.</p>`
  return markup`<p class="reason">SHA-256 read at the source: <span class="digest">${first[2]}</span></p>`
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
<table><thead><tr><th>Name</th><th>Kind</th><th>Why</th></tr></thead><tbody>${rows}</tbody></table>
${moreMarkup('skipped', items - leaves.length, masterName)}</section>`
}
