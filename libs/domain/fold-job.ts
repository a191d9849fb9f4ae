// Folds of the jobs topic, and of claims, which stand on every topic.
import type { EventOf, Topic, WaybillEvent } from '#schemas/events'
import type { JobRow, PartitionRow } from '#schemas/rows'
import { endLeases, standingClaim } from './fold-chunk.ts'
import { hasEnded, isAtRest } from './job-control.ts'
import { isJobName } from './job-name.ts'
import { keyOf } from './keys.ts'
import type { RecordPlace, Rows } from './rows.ts'
import { folded, known, poison, stale, type Verdict } from './verdict.ts'

type JobEventType =
  | 'JobRequested'
  | 'JobAccepted'
  | 'JobRejected'
  | 'JobPaused'
  | 'JobResumed'
  | 'JobCancelled'
  | 'LimitsChanged'
  | 'RateDecided'
  | 'TargetProbed'
  | 'PassOpened'
  | 'ListingEnded'
  | 'RoundOpened'
  | 'PassCompleted'
export type JobEvent = Extract<WaybillEvent, { type: JobEventType }>
type Command = Extract<JobEvent, { type: 'JobPaused' | 'JobResumed' | 'JobCancelled' | 'LimitsChanged' }>

/** Writers of commands whose last sequence is kept. */
const commandWritersMax = 64

/** The fence (rule 1): exactly the current epoch + 1; of two equals the first in the log wins. */
export function foldClaim(rows: Rows, event: EventOf<'PartitionClaimed'>, topic: Topic, at: RecordPlace): Verdict {
  const key = keyOf.partition(topic, at.partition)
  const before = rows.get(key)
  if (before?.claim === event.claim) return known
  if (event.epoch !== (before?.epoch ?? 0) + 1) return stale
  const after: PartitionRow = {
    claim: event.claim,
    epoch: event.epoch,
    writer: event.writer,
    cause: event.cause,
    leased: [],
  }
  rows.set(key, after)
  if (before !== undefined) endLeases(rows, before, event.cause)
  return folded
}

/** Anyone may append a request, under any name; names stand in keys and paths. */
function foldRequested(rows: Rows, event: EventOf<'JobRequested'>, at: RecordPlace): Verdict {
  if (!isJobName(event.job)) return poison('a request under what is no name for a job')
  const { partition, position } = at
  rows.set(keyOf.request(event.job, partition, position), { request: event.request, partition, position })
  return folded
}

function newJob(event: EventOf<'JobAccepted'>, at: RecordPlace): JobRow {
  const { request } = event
  return {
    request,
    control: 'running',
    controlActor: '',
    controlReason: '',
    controlCode: null,
    throughputBytesPerSecond: request.throughputBytesPerSecond,
    throughputTimetable: request.throughputTimetable,
    sourcePeakBytesPerSecond: request.sourcePeakBytesPerSecond,
    workersMax: request.workersMax,
    priority: request.priority,
    acceptedIn: at.partition,
    acceptedAt: at.position,
    abilities: null,
    findings: [],
    pass: 0,
    passAsked: 0,
    sourceRoot: '',
    readView: '',
    passesCompleted: 0,
    completedAt: -1,
    isLastPassCancelled: false,
    codesBefore: [],
    codesAtEnd: [],
    probedForPass: 0,
    probedBy: '',
    probeSequence: 0,
    lastPage: null,
    vanished: 0,
    listingFindings: [],
    round: 1,
    roundCause: 'first',
    mayRepair: true,
    roundPass: 0,
    commands: [],
  }
}

function foldAccepted(rows: Rows, event: EventOf<'JobAccepted'>, at: RecordPlace): Verdict {
  rows.set(keyOf.request(event.job, event.requestPartition, event.requestPosition), null)
  const key = keyOf.job(event.job)
  if (rows.get(key) !== undefined) return known
  if (rows.get(keyOf.rejected(event.job)) !== undefined) rows.set(keyOf.rejected(event.job), null)
  rows.set(key, newJob(event, at))
  return folded
}

function foldRejected(rows: Rows, event: EventOf<'JobRejected'>): Verdict {
  rows.set(keyOf.request(event.job, event.requestPartition, event.requestPosition), null)
  // A further request for a known job was refused: the job itself goes on.
  if (rows.get(keyOf.job(event.job)) === undefined) rows.set(keyOf.rejected(event.job), { code: event.code })
  return folded
}

const controlled = (job: JobRow, control: JobRow['control'], event: Command, code: string | null): JobRow => ({
  ...job,
  control,
  controlActor: event.actor,
  controlReason: event.reason,
  controlCode: code,
})

/** A further pass that was asked for and that nobody has begun is not asked for any more. */
function unasked(job: JobRow, event: Command): JobRow {
  if (!hasEnded(job) || isAtRest(job)) return job
  const before = { ...job, passAsked: job.pass }
  return job.isLastPassCancelled
    ? controlled(before, 'cancelled', event, 'CANCELLED')
    : controlled(before, 'running', event, null)
}

/** Commands are judged by the state as somebody saw it; by the time they are folded the pass may have come to its end. */
function obey(job: JobRow, event: Command): JobRow {
  switch (event.type) {
    case 'JobPaused':
      // Nothing is left to pause; held against the job, it would swallow the retry that comes next.
      if (isAtRest(job)) return job
      // A cancel of the pass before is over once another one is asked for.
      if (job.control === 'cancelled' && hasEnded(job)) return controlled(job, 'paused', event, event.code)
      return job.control === 'running' ? controlled(job, 'paused', event, event.code) : job
    case 'JobResumed':
      if (job.control === 'paused') return controlled(job, 'running', event, null)
      // Nothing is left to go on with: a further pass is asked for, for what failed and what changed since.
      return hasEnded(job) ? { ...job, passAsked: job.pass + 1 } : job
    case 'JobCancelled':
      return job.control === 'cancelled' || hasEnded(job)
        ? unasked(job, event)
        : controlled(job, 'cancelled', event, 'CANCELLED')
    case 'LimitsChanged': {
      const { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax, priority } = event
      const request = event.settings === null ? job.request : { ...job.request, ...event.settings }
      const limits = { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax, priority }
      return { ...job, request, ...limits }
    }
  }
}

function foldCommand(rows: Rows, event: Command): Verdict {
  const key = keyOf.job(event.job)
  const job = rows.get(key)
  if (job === undefined) return stale
  const seen = job.commands.find(({ writer }) => writer === event.writer)
  if (seen !== undefined && event.sequence <= seen.sequence) return known
  const others = job.commands.filter(({ writer }) => writer !== event.writer)
  const commands = [{ writer: event.writer, sequence: event.sequence }, ...others].slice(0, commandWritersMax)
  rows.set(key, { ...obey(job, event), commands })
  return folded
}

function foldPassOpened(job: JobRow, event: EventOf<'PassOpened'>): JobRow {
  if (event.pass !== job.pass + 1 || job.passesCompleted !== job.pass) return job
  // What was said of an earlier pass is over with it. What was said before this one began holds: it must not begin all
  // the same because its opening was under way.
  const isOver = job.control === 'cancelled' && job.pass > 0
  return {
    ...job,
    control: isOver ? 'running' : job.control,
    controlCode: isOver ? null : job.controlCode,
    pass: event.pass,
    sourceRoot: event.sourceRoot,
    readView: event.readView,
    codesBefore: job.codesAtEnd,
    lastPage: null,
    vanished: 0,
    listingFindings: [],
    mayRepair: true,
  }
}

function foldProbe(job: JobRow, { writer, sequence, abilities, findings }: EventOf<'TargetProbed'>): JobRow {
  if (writer === job.probedBy && sequence <= job.probeSequence) return job
  return { ...job, abilities, findings, probedForPass: job.pass, probedBy: writer, probeSequence: sequence }
}

/** Facts of a job under the coordinator's claim; the same row when the event comes too late or too early. */
function foldFact(
  job: JobRow,
  event: Exclude<JobEvent, Command | { type: 'JobRequested' | 'JobAccepted' | 'JobRejected' | 'RateDecided' }>,
  at: RecordPlace,
): JobRow {
  switch (event.type) {
    case 'TargetProbed':
      return foldProbe(job, event)
    case 'PassOpened':
      return foldPassOpened(job, event)
    case 'ListingEnded':
      return event.pass === job.pass && job.lastPage === null
        ? { ...job, lastPage: event.lastPage, vanished: event.vanished, listingFindings: event.findings }
        : job
    case 'RoundOpened':
      return event.round === job.round + 1
        ? { ...job, round: event.round, roundCause: event.cause, mayRepair: event.mayRepair, roundPass: job.pass }
        : job
    case 'PassCompleted':
      return event.pass === job.pass && job.passesCompleted < job.pass
        ? {
            // A pause that came while the end was under way is over with the pass; the next one is asked for by itself.
            ...(job.control === 'paused' ? { ...job, control: 'running', controlCode: null } : job),
            passesCompleted: job.pass,
            completedAt: at.position,
            isLastPassCancelled: event.isCancelled,
            codesAtEnd: event.codes,
          }
        : job
  }
}

export function foldJobEvent(rows: Rows, event: JobEvent, at: RecordPlace): Verdict {
  if (event.type === 'JobRequested') return foldRequested(rows, event, at)
  if (
    event.type === 'JobPaused' ||
    event.type === 'JobResumed' ||
    event.type === 'JobCancelled' ||
    event.type === 'LimitsChanged'
  ) {
    return foldCommand(rows, event)
  }
  if (standingClaim(rows, event, keyOf.partition('jobs', at.partition)) === null) return stale
  switch (event.type) {
    case 'JobAccepted':
      return foldAccepted(rows, event, at)
    case 'JobRejected':
      return foldRejected(rows, event)
    case 'RateDecided': {
      const { source, bytesPerSecond, reason, action, capBytesPerSecond, allowedBytesPerSecond, signals } = event
      const { writer, sequence } = event
      const before = rows.get(keyOf.rate(source))
      if (before?.writer === writer && sequence <= before.sequence) return known
      const said = { bytesPerSecond, reason, action, capBytesPerSecond, allowedBytesPerSecond, signals }
      rows.set(keyOf.rate(source), { ...said, writer, sequence })
      return folded
    }
    case 'TargetProbed':
    case 'PassOpened':
    case 'ListingEnded':
    case 'RoundOpened':
    case 'PassCompleted': {
      const key = keyOf.job(event.job)
      const job = rows.get(key)
      if (job === undefined) return stale
      const after = foldFact(job, event, at)
      if (after === job) return known
      rows.set(key, after)
      return folded
    }
  }
}
