// waybill rebuild [JOB]: fold the log again, compare, and replace a store that differs.
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { formatCount, formatDuration, formatSize } from '#libs/domain/quantity'
import { listJobs } from '#libs/runtime/job-folder'
import { type RebuildEnd, rebuildJob } from '../../embedded/rebuild.ts'
import { isOfCluster } from '../cluster-settings.ts'
import type { Command } from '../command.ts'
import { jobNamed } from '../jobs.ts'
import { stateFolderOf } from '../state-folder.ts'
import { clusterRebuild } from './cluster-rebuild.ts'

interface Rebuilt extends RebuildEnd {
  readonly job: string
  readonly peakBytes: number
}

const isSame = ({ freshDigest, liveDigest }: RebuildEnd): boolean => freshDigest === liveDigest

function perSecond({ events, ms }: RebuildEnd): number {
  return Math.round(events / Math.max(ms / 1000, 0.001))
}

function rebuiltText(end: Rebuilt): string {
  const { job, events, ms, stale, poison, peakBytes, movedAside } = end
  return `${[
    isSame(end)
      ? `SAME. The store of ${job} is what its log says.`
      : `DIFFERENT. The store of ${job} was not what its log says; it was replaced.`,
    ` fresh store    ${end.freshDigest}`,
    ` live store     ${end.liveDigest ?? 'damaged'}`,
    ` events         ${formatCount(events)} in ${formatDuration(ms)}, ${formatCount(perSecond(end))} a second; ${formatCount(stale)} stale, ${formatCount(poison)} poison`,
    ` peak memory    ${formatSize(peakBytes)}`,
    ...(movedAside === null ? [] : [` kept           ${movedAside}`]),
  ].join('\n')}\n`
}

function rebuiltObject(end: Rebuilt): object {
  return {
    job_id: end.job,
    is_same: isSame(end),
    fresh_digest: end.freshDigest,
    live_digest: end.liveDigest,
    events: end.events,
    stale: end.stale,
    poison: end.poison,
    duration_ms: Math.round(end.ms),
    events_per_second: perSecond(end),
    peak_memory_bytes: end.peakBytes,
    moved_aside: end.movedAside,
  }
}

export const rebuild: Command = async (input) => {
  if (isOfCluster(input)) return clusterRebuild(input)
  const stray = (['until', 'report'] as const).find((name) => input.origins.get(name)?.kind === 'flag')
  if (stray !== undefined)
    throw new WaybillError('USAGE', { problem: `--${stray} speaks of a cluster: name it by --config` })
  const { words, settings, terminal, clock, signal } = input
  const stateFolder = stateFolderOf(input)
  const jobs = words[0] === undefined ? await listJobs(stateFolder) : [jobNamed(words[0])]
  const ends: Rebuilt[] = []
  for (const job of jobs) {
    const onProgress = (events: number): void => {
      if (!settings.quiet && settings.progress !== 'none')
        terminal.notice(`${job}: ${formatCount(events)} events folded\n`)
    }
    const end = await rebuildJob({ folder: join(stateFolder, job), clock, signal, onProgress })
    // Of the process: it holds both stores.
    ends.push({ ...end, job, peakBytes: process.resourceUsage().maxRSS * 1024 })
    if (!settings.json) await terminal.result(rebuiltText(ends.at(-1) ?? { ...end, job, peakBytes: 0 }))
  }
  const exitCode = ends.every(isSame) ? 0 : 1
  if (settings.json)
    await terminal.result(`${JSON.stringify({ exit_code: exitCode, jobs: ends.map(rebuiltObject) })}\n`)
  else if (jobs.length === 0) await terminal.result(`no jobs in ${stateFolder}\n`)
  return exitCode
}
