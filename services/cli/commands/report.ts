// waybill report show JOB, waybill report verify FILE
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { formatCount, formatSize } from '#libs/domain/quantity'
import { outcomes } from '#libs/domain/report'
import type { CheckedReport } from '#libs/report/check'
import { loadPublicKey, loadSigningKey } from '#libs/report/keys'
import { createBufferedSink, type Sink, writeWholeFile } from '#libs/report/output'
import { signatureInWords, verifyReport } from '#libs/report/read'
import { type RenderedForm, renderReport } from '#libs/report/render'
import { sumsFileNames, writeSumsFolder } from '#libs/report/sums-folder'
import type { WrittenReport } from '#libs/report/write'
import type { JobView } from '../../embedded/job-view.ts'
import { type AgainOptions, writeReportAgain } from '../../embedded/report-again.ts'
import type { Command, CommandInput } from '../command.ts'
import { jobNamed, viewJob } from '../jobs.ts'
import { software } from '../software.ts'
import type { Terminal } from '../terminal.ts'

/** Writes to standard output in large pieces. */
async function toOutput(terminal: Terminal, produce: (sink: Sink) => Promise<unknown>): Promise<void> {
  const sink = createBufferedSink((bytes) => terminal.result(bytes))
  await produce(sink)
  await sink.end()
}

/** Gives the path of the report in its master form, for as long as `use` takes. */
async function withMaster(
  view: JobView,
  options: AgainOptions,
  use: (master: string) => Promise<unknown>,
): Promise<WrittenReport> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-report-'))
  try {
    const master = join(folder, `${view.job}.ndjson`)
    const written = await writeWholeFile(master, (sink) => writeReportAgain(sink, view, options))
    await use(master)
    return written
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes the report in the form that the file's name asks for. */
export function writeForm(
  view: JobView,
  { path, form }: { readonly path: string; readonly form: RenderedForm },
  options: AgainOptions,
): Promise<WrittenReport> {
  return withMaster(view, options, (master) =>
    writeWholeFile(path, (sink) => renderReport(sink, { form, path: master, masterName: `${view.job}.ndjson` })),
  )
}

async function showForm(input: CommandInput, view: JobView, form: RenderedForm, options: AgainOptions): Promise<void> {
  const { settings, terminal } = input
  const output = settings.output === null ? null : resolve(settings.output)
  const write = (produce: (sink: Sink) => Promise<unknown>): Promise<unknown> =>
    output === null ? toOutput(terminal, produce) : writeWholeFile(output, produce)
  if (form === 'ndjson') {
    await write((sink) => writeReportAgain(sink, view, options))
    return
  }
  await withMaster(view, options, (path) =>
    write((sink) => renderReport(sink, { form, path, masterName: basename(path) })),
  )
}

async function showSums(input: CommandInput, view: JobView, options: AgainOptions): Promise<string> {
  const { settings } = input
  if (settings.whole) throw new WaybillError('NOT_SUPPORTED', { problem: '--whole is not supported yet' })
  if (settings.output === null) {
    throw new WaybillError('USAGE', { problem: '--format sha256sums makes three files; give --output FOLDER' })
  }
  const folder = resolve(settings.output)
  await withMaster(view, options, (path) => writeSumsFolder(folder, path))
  const { sums, chunkSums, script } = sumsFileNames
  return `${folder}: ${sums} (sha256sum -c), ${chunkSums} (python3 ${script} ${chunkSums})`
}

export const reportShow: Command = async (input) => {
  const { words, settings, terminal } = input
  const view = await viewJob(input, jobNamed(words[0] ?? ''))
  try {
    const options: AgainOptions = {
      software: software().version,
      signingKey: settings.sign === null ? null : await loadSigningKey(settings.sign),
      onLeaf: () => undefined,
    }
    const form = settings.json ? 'json' : settings.format
    let written = settings.output === null ? null : resolve(settings.output)
    if (form === 'sha256sums') written = await showSums(input, view, options)
    else await showForm(input, view, form, options)
    if (!settings.quiet) {
      if (written !== null) terminal.notice(`written: ${showText(written)}\n`)
      if (view.isHeldElsewhere) terminal.notice(`waybill: the job is running; this is how it was a moment ago\n`)
    }
    return 0
  } finally {
    await view.close()
  }
}

function checkedText(path: string, { header, verdict, footer, signature }: CheckedReport): string {
  const totals = outcomes
    .filter((outcome) => footer.totals[outcome].items > 0)
    .map((outcome) => {
      const { items, bytes } = footer.totals[outcome]
      return ` ${outcome.replaceAll('_', ' ').padEnd(14)}${formatCount(items)} ${items === 1 ? 'item' : 'items'}, ${formatSize(bytes)}`
    })
  return `${[
    `VALID. ${showText(path)} is whole and unchanged: digest, Merkle root, totals and order fit; ${signatureInWords(signature)}.`,
    ` it says       ${verdict.sentence} (exit code ${verdict.exit_code})`,
    ` job           ${showText(header.job)}, pass ${header.pass}, ${header.state}`,
    ` from          ${showText(header.source.location)}`,
    ` to            ${showText(header.target.location)}`,
    ...totals,
    ` root digest   ${footer.root}`,
    ` file digest   ${footer.digest}`,
  ].join('\n')}\n`
}

/** Exit code 0: the report is genuine, whatever it says; REPORT_INVALID (11) else. */
/** Pages and tables are made from a report for people to read; they hold no signature to check. */
function refuseRendering(path: string): void {
  const ending = /\.(html?|csv)$/i.exec(path)?.[1]
  if (ending === undefined) return
  throw new WaybillError('USAGE', { problem: `a report in ${ending} cannot be checked: give its ndjson or json form` })
}

export const reportVerify: Command = async ({ words, settings, terminal }) => {
  const [path = ''] = words
  const publicKey = settings['public-key'] === null ? null : await loadPublicKey(settings['public-key'])
  refuseRendering(path)
  const checked = await verifyReport(path, { publicKey })
  const { header, verdict, footer, signature } = checked
  const told = {
    verdict: 'valid',
    exit_code: 0,
    job_id: header.job,
    pass: header.pass,
    state: header.state,
    signature: signature.kind,
    signer: footer.signer,
    root: footer.root,
    digest: footer.digest,
    items: footer.items,
    bytes: footer.bytes,
    report_verdict: verdict,
  }
  await terminal.result(settings.json ? `${JSON.stringify(told)}\n` : checkedText(path, checked))
  return 0
}
