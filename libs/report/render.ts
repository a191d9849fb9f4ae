// The forms of a report that are one file, all made from the master while it is checked.

import type { CheckedReport } from './check.ts'
import { writeCsv } from './csv.ts'
import { htmlShownMax, writeHtml } from './html.ts'
import { writeJson, writeNdjson } from './json.ts'
import type { Sink } from './output.ts'

export const renderedForms = ['ndjson', 'json', 'csv', 'html'] as const
export type RenderedForm = (typeof renderedForms)[number]

export interface RenderRequest {
  readonly form: RenderedForm
  /** Path of the master (ndjson or json). */
  readonly path: string
  /** What the master is called for those who get the html page. */
  readonly masterName: string
}

/** Renders a report. Throws REPORT_INVALID, REPORT_UNREADABLE; what was written until then is worth nothing. */
export function renderReport(sink: Sink, { form, path, masterName }: RenderRequest): Promise<CheckedReport> {
  switch (form) {
    case 'ndjson':
      return writeNdjson(sink, path)
    case 'json':
      return writeJson(sink, path)
    case 'csv':
      return writeCsv(sink, path)
    case 'html':
      return writeHtml(sink, path, { shownMax: htmlShownMax, masterName })
  }
}
