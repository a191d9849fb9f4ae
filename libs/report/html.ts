// The html form: one printable file without scripts or anything loaded from elsewhere. It holds the exceptions and sums,
// not the whole list; that is what the master is for.
import { hash } from 'node:crypto'
import type { CheckedReport } from './check.ts'
import { readExcerpt } from './exceptions.ts'
import { exceptionsSection, skippedSection } from './html-exceptions.ts'
import {
  checkSection,
  configurationSection,
  findingsSection,
  fingerprintSection,
  limitSection,
  proofSection,
  signerWords,
  totalsSection,
} from './html-sections.ts'
import { pageStyle } from './html-style.ts'
import { type Markup, markup } from './markup.ts'
import type { Sink } from './output.ts'

export interface HtmlOptions {
  /** Items shown of each outcome that is an exception. */
  readonly shownMax: number
  /** Name of the master beside the page, for the commands that use it. */
  readonly masterName: string
}

export const htmlShownMax = 500

/** Only the one style sheet may apply, should anything get through the escaping. */
const policy = `default-src 'none'; style-src 'sha256-${hash('sha256', pageStyle, 'base64')}'; base-uri 'none'; form-action 'none'`

/** Renders the report at `path`. Throws REPORT_INVALID, REPORT_UNREADABLE. */
export async function writeHtml(sink: Sink, path: string, options: HtmlOptions): Promise<CheckedReport> {
  const { report, shown } = await readExcerpt(path, options.shownMax)
  await sink.write(
    pageOf(report, [
      exceptionsSection(report, shown, options.masterName),
      totalsSection(report),
      proofSection(report),
      fingerprintSection(report),
      skippedSection(report, shown, options.masterName),
      findingsSection(report),
      configurationSection(report),
      checkSection(report, options.masterName),
      limitSection(),
    ]).html,
  )
  return report
}

function pageOf(report: CheckedReport, sections: readonly Markup[]): Markup {
  const { header, footer } = report
  const style: Markup = { html: `<style>${pageStyle}</style>` }
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${{ html: policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Integrity report: ${header.job}, pass ${header.pass}</title>
${style}
</head>
<body>
<main>
${masthead(report)}
${sections}
<footer>
<p>Made by ${header.software}. Merkle root <span class="digest">${footer.root}</span>, ${signerWords(footer.signer)}.</p>
</footer>
</main>
</body>
</html>
`
}

const verdictWords = { pass: 'PASS', fail: 'FAIL', in_progress: 'IN PROGRESS' } as const

function masthead({ header, verdict }: CheckedReport): Markup {
  const { status, sentence, exit_code: exitCode } = verdict
  return markup`<header>
<p class="kicker">Integrity report</p>
<h1>${header.job}</h1>
<p>Pass ${header.pass}, ${header.state}. Started ${header.started_at}, ${
    header.ended_at === null ? 'not ended' : `ended ${header.ended_at}`
  }.</p>
<p>From <bdi class="name">${header.source.location}</bdi> to <bdi class="name">${header.target.location}</bdi></p>
<div class="verdict ${{ html: status }}"><strong>${verdictWords[status]}</strong><p>${sentence} Exit code ${exitCode}.</p></div>
</header>`
}
