// waybill plan SOURCE TARGET (= migrate --dry-run): what would be done. Appends nothing, keeps no state.
import { join } from 'node:path'
import { capsOf, estimateCompletion } from '#libs/domain/completion-estimate'
import { errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { showName } from '#libs/domain/name-text'
import { formatCount } from '#libs/domain/quantity'
import type { ExitCode } from '#libs/domain/report'
import { hasJob } from '#libs/runtime/job-folder'
import type { JobRequest } from '#schemas/records'
import { type Plan, type PlanTotals, planMigration } from '../../embedded/plan.ts'
import type { Command, CommandInput } from '../command.ts'
import { connectTarget } from '../connections.ts'
import { type Ends, endsOf } from '../ends.ts'
import { locationText } from '../locations.ts'
import { type PlanSummary, planObject, planText } from '../plan-summary.ts'
import { checkEnds } from '../preflight.ts'
import { collectProblems } from '../problem-groups.ts'
import { connectOrdered, type JobOrder, orderOf } from '../request.ts'
import { stateFolderOf } from '../state-folder.ts'

const samplesMax = 3

/**
 * Bytes of log, store and report, measured on 10,000 small files with names of 20 bytes (760 B each) and on an object of
 * 100 chunks (1.6 kB each): the name stands in the page, in the plan as name and as key, and in the report.
 */
const stateCosts = { fixed: 1024 * 1024, item: 640, nameByte: 6, chunk: 1_600 } as const

function stateBytesOf({ items, nameBytes, uploadParts }: PlanTotals): number {
  const { fixed, item, nameByte, chunk } = stateCosts
  return fixed + items * item + nameBytes * nameByte + uploadParts * chunk
}

const probeRequests = 40
const objectsListedAtOnce = 1_000

/** Requests at a store: one for each object, part and reading, and what opens, completes and lists. */
function requestsOf({ totals, abilities }: Plan, { verify, reconcile }: JobRequest): number | null {
  if (abilities.kind === 'files') return null
  const { movedItems, uploads, uploadParts } = totals
  const whole = movedItems - uploads
  const looks = abilities.isEmpty ? 0 : movedItems
  const readings = verify === 'none' ? 0 : whole + uploadParts
  const listings = reconcile === 'none' ? 0 : Math.ceil(movedItems / objectsListedAtOnce)
  return probeRequests + looks + whole + uploads * 2 + uploadParts + readings + listings
}

/** A small file costs its own time, whatever the rate: from none to what a slow disk needs. */
const itemsPerSecondLow = 500
/** How much of the limit is reached in the worst case. */
const rateShareLow = 0.9

/** By a timetable it depends on the hour at which the job begins. */
function paceByTimetable(totals: PlanTotals, request: JobRequest, nowMs: number): PlanSummary['pace'] {
  const caps = capsOf(request, nowMs)
  const left = { leftBytes: totals.movedBytes, leftToVerifyBytes: 0, measuredBytesPerSecond: null }
  const endMs = estimateCompletion({ nowMs, ...left, ...caps })
  if (endMs === null) return null
  const shortMs = Math.max(1, Math.round(endMs - nowMs))
  const bytesPerSecond = (totals.movedBytes * 1000) / shortMs
  const longMs = Math.round(shortMs / rateShareLow + (totals.movedItems / itemsPerSecondLow) * 1000)
  return { bytesPerSecond, because: 'mean of the timetable of --throughput, begun now', shortMs, longMs }
}

function paceOf(totals: PlanTotals, request: JobRequest, nowMs: number): PlanSummary['pace'] {
  if (request.throughputTimetable !== null) return paceByTimetable(totals, request, nowMs)
  const { throughputBytesPerSecond: throughput, sourcePeakBytesPerSecond: peak } = request
  const shareOfPeak = peak === null ? null : Math.floor(peak / 10)
  const isOfPeak = shareOfPeak !== null && (throughput === null || shareOfPeak < throughput)
  const bytesPerSecond = isOfPeak ? shareOfPeak : throughput
  if (bytesPerSecond === null || bytesPerSecond <= 0) return null
  const seconds = totals.movedBytes / bytesPerSecond
  return {
    bytesPerSecond,
    because: isOfPeak ? '10 % of --source-peak' : '--throughput',
    shortMs: Math.round(seconds * 1000),
    longMs: Math.round((seconds / rateShareLow + totals.movedItems / itemsPerSecondLow) * 1000),
  }
}

function exitCodeOf({ totals }: Plan, { rules, filesFromDigest }: JobRequest): ExitCode {
  if (totals.items === 0 && (rules.length > 0 || filesFromDigest !== null)) return 12
  return totals.failedItems > 0 ? 4 : 0
}

/** What a person should know beside the numbers, in words. */
async function notesOf(input: CommandInput, { job }: Ends, plan: Plan): Promise<readonly string[]> {
  const notes = plan.findings.map((code) => (isErrorCode(code) ? `${code}: ${errorCatalogue[code].help}` : code))
  if (!plan.abilities.isEmpty)
    notes.push('the target is not empty: what is there already and equal is read and not sent again')
  if (await hasJob(join(stateFolderOf(input), job)))
    notes.push(
      `the job ${job} exists: what it verified and what did not change since is not moved again, but is counted here`,
    )
  return notes
}

interface Found {
  readonly plan: Plan
  readonly problems: PlanSummary['problems']
  readonly encodedNames: PlanSummary['encodedNames']
}

async function findOut(input: CommandInput, ends: Ends, request: JobRequest, order: JobOrder): Promise<Found> {
  const { settings, terminal, clock, signal } = input
  const source = connectOrdered(ends.source, order)
  await checkEnds(ends, source)
  const problems = collectProblems()
  const samples: string[] = []
  let encoded = 0
  let toldAt = clock.monotonic()
  const isTold = !settings.quiet && settings.progress !== 'none'
  const plan = await planMigration({
    request,
    source,
    target: await connectTarget(input, ends.target, ends.job),
    selects: order.selects,
    onProblem: (item) => problems.add({ ...item, differences: [] }),
    onEncoded: (name, key) => {
      encoded += 1
      if (samples.length < samplesMax) samples.push(`${showName(name)} -> ${showName(key)}`)
    },
    onListed: (items) => {
      if (!isTold || clock.monotonic() - toldAt < 10_000) return
      toldAt = clock.monotonic()
      terminal.notice(`Scanning: ${formatCount(items)} items\n`)
    },
    signal,
  })
  await source.close()
  return { plan, problems: problems.groups(), encodedNames: { count: encoded, samples } }
}

export const plan: Command = async (input) => {
  const { settings, terminal, argv } = input
  const ends = endsOf(input)
  const order = await orderOf(input, ends.source, ends.target)
  const { request } = order
  const found = await findOut(input, ends, request, order)
  const { totals, abilities } = found.plan
  const summary: PlanSummary = {
    job: ends.job,
    source: locationText(ends.source),
    target: locationText(ends.target),
    items: {
      files: totals.kinds.file,
      directories: totals.kinds.directory,
      links: totals.kinds.symlink,
      other: totals.kinds.special,
    },
    bytes: totals.bytes,
    problems: found.problems,
    encodedNames: found.encodedNames,
    chunks: totals.chunks,
    uploads: totals.uploads,
    targetRequests: requestsOf(found.plan, request),
    bytesRead: totals.movedBytes,
    bytesWritten: totals.movedBytes,
    bytesReadBack: totals.readBackBytes,
    memoryBytes: settings.memory,
    stateBytes: stateBytesOf(totals),
    pace: paceOf(totals, request, input.clock.now()),
    abilities,
    notes: await notesOf(input, ends, found.plan),
    exitCode: exitCodeOf(found.plan, request),
  }
  await terminal.result(settings.json ? `${JSON.stringify(planObject(summary))}\n` : planText(summary, argv))
  return summary.exitCode
}
