// The owner of a source's rate: decides it, says why, and answers each worker's report with a grant that expires.

import { keyOf } from '#libs/domain/keys'
import { decideRate, grantFor, grantLifeMs, type LiveGrant, type RateDecision } from '#libs/domain/rate'
import type { PlacedDraft } from '#libs/log/event-writer'
import type { Projection } from '#libs/projection/projection'
import type { Claim } from '#libs/runtime/claims'
import type { Clock } from '#libs/runtime/clock'
import type { Role } from '#libs/runtime/role'
import type { ReportRow } from '#schemas/rows'

export type GrantTask =
  | { readonly kind: 'decide'; readonly source: string; readonly decision: RateDecision }
  | {
      readonly kind: 'grant'
      readonly report: ReportRow
      readonly bytesPerSecond: number | null
      readonly lifeMs: number
    }

export interface GranterOptions {
  readonly job: string
  readonly projection: Projection
  readonly clock: Clock
  readonly jobs: Claim
  readonly rates: Claim
}

const reportsMax = 1_000

interface Outstanding extends LiveGrant {
  readonly reportSequence: number
  /** Monotonic, counted from after the grant's append was acked, so later than the worker's own end. */
  readonly until: number
}

export function createGranter(options: GranterOptions): Role<GrantTask> {
  const { job, projection, clock, jobs, rates } = options
  const outstanding = new Map<string, Outstanding>()

  async function decide(): Promise<readonly GrantTask[]> {
    const row = await projection.rows.get(keyOf.job(job))
    if (row === undefined) return []
    const { source } = row.request
    const decision = decideRate(row)
    const rate = await projection.rows.get(keyOf.rate(source))
    if (rate === undefined || rate.bytesPerSecond !== decision.bytesPerSecond)
      return [{ kind: 'decide', source, decision }]
    // Workers that live report every few seconds, so each has reported to this claim soon after it stands.
    const reports = (await projection.rows.slice('report', 'report/', reportsMax))
      .map((entry) => entry.row)
      .filter((report) => report.source === source && report.epoch === rates.epoch)
    const now = clock.monotonic()
    const live = [...outstanding.values()].filter(({ until }) => until > now)
    const working = reports.filter((report) => report.hasWork).length
    return reports.flatMap((report): GrantTask[] => {
      if ((outstanding.get(report.worker)?.reportSequence ?? -1) >= report.reportSequence) return []
      const others = live.filter(({ worker }) => worker !== report.worker)
      return [
        { kind: 'grant', report, bytesPerSecond: grantFor(rate.bytesPerSecond, working, others), lifeMs: grantLifeMs },
      ]
    })
  }

  function perform(task: GrantTask): readonly PlacedDraft[] {
    const fence = (claim: Claim): { claim: string; epoch: number } => ({ claim: claim.claim, epoch: claim.epoch })
    if (task.kind === 'decide') {
      const { source, decision } = task
      const state = {
        action: 'capped',
        capBytesPerSecond: decision.bytesPerSecond,
        allowedBytesPerSecond: null,
      } as const
      const event = { type: 'RateDecided', job, ...fence(jobs), source, ...decision, signals: [], ...state } as const
      return [{ topic: 'jobs', partition: jobs.partition, event }]
    }
    const { report, bytesPerSecond, lifeMs } = task
    const { worker, reportSequence } = report
    // Set before the append: a grant whose ack is lost may still be valid.
    outstanding.set(worker, { worker, bytesPerSecond, reportSequence, until: clock.monotonic() + 2 * lifeMs })
    const event = {
      type: 'RateGranted',
      job: '',
      ...fence(rates),
      worker,
      reportSequence,
      bytesPerSecond,
      lifeMs,
    } as const
    return [{ topic: 'rates', partition: rates.partition, event }]
  }

  return {
    name: 'granter',
    keyOf: (task) => (task.kind === 'decide' ? 'decide' : `grant/${task.report.worker}`),
    decide,
    perform: (task) => Promise.resolve(perform(task)),
    recover: (_task, error) => {
      throw error
    },
  }
}
