// Where commands on a job go: to the API of a process, or, where none runs, into the log itself. The table of what may be
// done in which state is the same.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { refusalOf } from '#libs/domain/job-control'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter } from '#libs/log/event-writer'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { openProjection, type Projection } from '#libs/projection/projection'
import { openJobFolder } from '#libs/runtime/job-folder'
import { openSocketPlace, socketName } from '#libs/runtime/local-socket'
import type { LimitsChange, Migration } from '#schemas/api/migration'
import type { LoggedEvent } from '#schemas/api/system'
import type { Draft } from '#schemas/events'
import { commandEvent, limitsEvent, type OrderedCommand } from '../api/command-events.ts'
import { loggedEvent } from '../api/event-text.ts'
import { findJob, type JobSight, migrationOf } from '../api/job-sight.ts'
import { readPast } from '../api/past-events.ts'
import { type ApiAddress, openApiClient } from './api-client.ts'
import { tellCluster } from './cluster-jobs.ts'
import { openClusterLook } from './cluster-look.ts'
import { isOfCluster } from './cluster-settings.ts'
import type { CommandInput } from './command.ts'
import { software } from './software.ts'
import { stateFolderOf } from './state-folder.ts'

export interface EventsAsked {
  readonly types: readonly string[]
  /** Goes on with what happens, until the signal. */
  readonly isFollowed: boolean
  readonly take: (event: LoggedEvent) => Promise<void>
}

export interface JobDesk {
  /** At rest nothing works on the job: what is said takes effect with the next run. */
  readonly isAtRest: boolean
  order(command: OrderedCommand, job: string, reason: string): Promise<Migration>
  throttle(job: string, change: LimitsChange): Promise<Migration>
  show(job: string): Promise<Migration>
  /** Until it is paused, complete or failed, or so many seconds, 60 at most, are over; at rest it waits for nothing. */
  wait(job: string, seconds: number): Promise<Migration>
  events(job: string, asked: EventsAsked): Promise<void>
  close(): Promise<void>
}

const actor = 'command line'

async function apiDesk(address: ApiAddress, signal: AbortSignal): Promise<JobDesk> {
  const client = await openApiClient(address, signal)
  return {
    isAtRest: false,
    order: (command, job, reason) => client.send('POST', `/migrations/${job}/${command}`, { reason }),
    throttle: (job, change) => client.send('PATCH', `/migrations/${job}`, change),
    show: (job) => client.send('GET', `/migrations/${job}`),
    wait: (job, seconds) => client.send('GET', `/migrations/${job}?status=paused&wait=${seconds}s`),
    events(job, { types, isFollowed, take }) {
      const path = `/migrations/${job}/events${types.length === 0 ? '' : `?types=${types.join(',')}`}`
      return isFollowed ? client.follow(path, signal, take) : client.pages(path, take)
    },
    close: () => client.close(),
  }
}

interface LogPlace {
  readonly input: CommandInput
  readonly isAtRest: boolean
  readonly log: EventLog
  readonly projection: Projection
  readonly append: (event: Draft) => Promise<unknown>
  readonly close: () => Promise<void>
}

async function knownSight({ projection }: LogPlace, job: string): Promise<JobSight> {
  const sight = await findJob({ projection }, job)
  if (sight === null) throw new WaybillError('JOB_UNKNOWN', { job })
  return sight
}

/** Judges by the state as it is now, says it, and shows the state after. */
async function say(
  place: LogPlace,
  job: string,
  command: OrderedCommand | 'throttle',
  eventOf: (sight: JobSight) => Draft,
): Promise<Migration> {
  const { input, projection, append } = place
  const sight = await knownSight(place, job)
  if (sight.row === undefined) throw new WaybillError('JOB_STATE', { job, problem: 'it is not accepted yet' })
  const refusal = refusalOf(command, sight.status, sight.row)
  if (refusal !== null) throw new WaybillError('JOB_STATE', { job, problem: refusal })
  await append(eventOf(sight))
  await foldToEnd(projection, input.signal)
  return migrationOf(await knownSight(place, job), input.clock.now(), null)
}

function logDesk(place: LogPlace): JobDesk {
  const { log, projection, input, isAtRest, close } = place
  const show = async (job: string): Promise<Migration> =>
    migrationOf(await knownSight(place, job), input.clock.now(), null)
  return {
    isAtRest,
    order: (command, job, reason) => say(place, job, command, () => commandEvent(command, { job, actor, reason })),
    throttle: (job, change) => say(place, job, 'throttle', (sight) => limitsEvent(sight, change, actor)),
    show,
    wait: show,
    async events(job, { types, take }) {
      await knownSight(place, job)
      const end = projection.positions()
      const batch: LoggedEvent[] = []
      const wanted = new Set(types)
      await readPast(
        { log, projection },
        {
          from: new Map(),
          job,
          until: () => end,
          signal: input.signal,
          recordsMax: Number.POSITIVE_INFINITY,
          take: ({ record, event }) => {
            if (wanted.size === 0 || wanted.has(event.type)) batch.push(loggedEvent(record, event))
            return true
          },
          onBatch: async () => {
            for (const event of batch.splice(0)) await take(event)
          },
        },
      )
    },
    close,
  }
}

async function restDesk(input: CommandInput, folder: string): Promise<JobDesk> {
  const { clock, signal } = input
  const opened = await openJobFolder(folder)
  try {
    const { log, store, close } = opened
    const projection = await openProjection(log, store)
    await foldToEnd(projection, signal)
    const { version } = software()
    const writer = createEventWriter({ log, clock, writer: `command.${process.pid}.${clock.now()}`, software: version })
    const append = (event: Draft): Promise<unknown> => writer.append([{ topic: 'jobs', partition: 0, event }])
    return logDesk({ input, isAtRest: true, log, projection, append, close })
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function clusterDesk(input: CommandInput): Promise<JobDesk> {
  const look = await openClusterLook(input)
  const { log, projection, close } = look
  const append = (event: Draft): Promise<unknown> => tellCluster(input, log, event)
  return logDesk({ input, isAtRest: false, log, projection, append, close })
}

/** The API of the process that works on a job on this machine; null: none answers. */
async function runningDesk(folder: string, signal: AbortSignal): Promise<JobDesk | null> {
  const isThere = await access(join(folder, socketName)).then(
    () => true,
    () => false,
  )
  if (!isThere) return null
  const place = await openSocketPlace(folder)
  const desk = await apiDesk({ kind: 'socket', path: place.path }, signal)
  const close = async (): Promise<void> => {
    await desk.close()
    await place.close()
  }
  const client = await openApiClient({ kind: 'socket', path: place.path })
  try {
    await client.send('GET', '/livez')
    return { ...desk, close }
  } catch (error) {
    await close()
    // A process that was killed leaves its socket behind.
    if (codeOf(error) === 'API_UNREACHABLE') return null
    throw error
  } finally {
    await client.close()
  }
}

/** Where `--api` leads. */
export function addressOf(input: CommandInput, url: string): ApiAddress {
  const { settings, environment } = input
  return { kind: 'url', url, token: environment.secret('WAYBILL_TOKEN'), caFile: settings['ca-file'] }
}

/** Throws API_UNREACHABLE, JOB_UNKNOWN, and JOB_HELD while a process begins or ends its work on the job. */
export async function openJobDesk(input: CommandInput, job: string): Promise<JobDesk> {
  const { settings, signal } = input
  if (settings.api !== null) return apiDesk(addressOf(input, settings.api), signal)
  if (isOfCluster(input)) return clusterDesk(input)
  const folder = join(stateFolderOf(input), job)
  await access(join(folder, 'log')).catch((cause: unknown) => {
    throw new WaybillError('JOB_UNKNOWN', { job }, { cause })
  })
  return (await runningDesk(folder, signal)) ?? restDesk(input, folder)
}
