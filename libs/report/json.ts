// The json form: one document for jq and the like, with the same lines as the master.

import type { CheckedReport } from './check.ts'
import { jsonFrame } from './frame.ts'
import type { Sink } from './output.ts'
import { readReport } from './read.ts'

/** Renders the report at `path` as one JSON document. Throws REPORT_INVALID, REPORT_UNREADABLE. */
export async function writeJson(sink: Sink, path: string): Promise<CheckedReport> {
  const pieces = readReport(path, { publicKey: null })
  let isFirstItem = true
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) {
      await sink.write(`${jsonFrame.end}\n`)
      return step.value
    }
    for (const { part, line } of step.value) {
      const before = {
        header: `${jsonFrame.beforeHeader}\n`,
        item: isFirstItem ? '' : ',\n',
        verdict: `${isFirstItem ? '' : '\n'}${jsonFrame.beforeVerdict}\n`,
        footer: `${jsonFrame.beforeFooter}\n`,
        signature: `${jsonFrame.beforeSignature}\n`,
      }[part]
      const after = { header: `\n${jsonFrame.beforeItems}\n`, item: '', verdict: '\n', footer: '\n', signature: '\n' }[
        part
      ]
      if (part === 'item') isFirstItem = false
      await sink.write(before)
      await sink.write(line)
      await sink.write(after)
    }
  }
}

/** The same lines without the frame: a checked copy of the master. Throws REPORT_INVALID, REPORT_UNREADABLE. */
export async function writeNdjson(sink: Sink, path: string): Promise<CheckedReport> {
  const pieces = readReport(path, { publicKey: null })
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) return step.value
    for (const { line } of step.value) {
      await sink.write(line)
      await sink.write('\n')
    }
  }
}
