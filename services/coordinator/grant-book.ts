// What the granter remembers of workers and of the grants it gave them, for as long as those may live. A successor knows
// nothing of it, which is why it waits for one life of a grant before it gives any.
import { grantLifeMs, reportEveryMs } from '#libs/domain/rate'
import type { Grantee } from '#libs/domain/rate-share'
import type { ReportRow } from '#schemas/rows'

/** A worker that says nothing for so long is not counted as working; its grants stay reserved until they end. */
const silentMs = 2.5 * reportEveryMs
/** After this a worker is forgotten, in the book and in the store. */
export const forgottenMs = 60_000
/** A worker is taken to use less than it has when it says so this often in a row. */
const lowReportsMin = 2
/** It uses all it has from this share on. */
const hungryShare = 0.8

interface LiveGrant {
  readonly sequence: number
  readonly bytesPerSecond: number
  /** Monotonic. Later than the worker's own end, since the report was sent before it was seen. */
  readonly untilMs: number
}

interface Entry {
  report: ReportRow
  seenMs: number
  /** The last report that was answered; null: none. */
  answered: number | null
  grants: LiveGrant[]
  heldSince: number | null
  readonly seenSince: number
  /** Reads of the last reports that used less than they had. */
  low: readonly number[]
}

/** One worker in one run of its process. */
const idOf = ({ worker, writer }: ReportRow): string => `${worker}\n${writer}`

/** `PROCESS/JOB`, or the worker's whole name. */
function processOf(worker: string): string {
  const slash = worker.lastIndexOf('/')
  return slash < 0 ? worker : worker.slice(0, slash)
}

export interface Booked {
  readonly grantee: Grantee
  readonly report: ReportRow
  /** What its last report was answered with; null: it was not yet. */
  readonly answer: number | null
  readonly isAlive: boolean
}

export class GrantBook {
  readonly #entries = new Map<string, Entry>()
  /** Last reports of who was forgotten: their rows stand until that is folded, and are no news till then. */
  readonly #forgotten = new Map<string, { readonly reportSequence: number; readonly atMs: number }>()
  #order = 0

  /** Takes in a report as folded; the same one again changes nothing. True when it is a new one. */
  see(report: ReportRow, nowMs: number): boolean {
    const id = idOf(report)
    const entry = this.#entries.get(id)
    if (entry === undefined) {
      if (this.#forgotten.get(id)?.reportSequence === report.reportSequence) return false
      this.#forgotten.delete(id)
      this.#order += 1
      const fresh = { answered: null, grants: [], heldSince: null, seenSince: this.#order, low: [] }
      this.#entries.set(id, { report, seenMs: nowMs, ...fresh })
      return true
    }
    if (entry.report.reportSequence === report.reportSequence) return false
    entry.report = report
    entry.seenMs = nowMs
    entry.low = this.#lowAfter(entry, report)
    // What it reads under now replaced all that was granted before.
    entry.grants = entry.grants.filter(({ sequence }) => sequence >= report.grantSequence)
    return true
  }

  #lowAfter({ grants, low }: Entry, { grantSequence, readBytesPerSecond, hasWork }: ReportRow): readonly number[] {
    const inEffect = grants.find(({ sequence }) => sequence === grantSequence)
    if (!hasWork || inEffect === undefined || inEffect.bytesPerSecond === 0) return []
    if (inEffect.bytesPerSecond !== Number.POSITIVE_INFINITY) {
      if (readBytesPerSecond >= inEffect.bytesPerSecond * hungryShare) return []
      return [...low, readBytesPerSecond].slice(-lowReportsMin)
    }
    return []
  }

  /** Ends what is over, and forgets who is silent; returns the reports of the workers that are forgotten. */
  expire(nowMs: number): readonly ReportRow[] {
    const forgotten: ReportRow[] = []
    for (const [id, { atMs }] of this.#forgotten) if (nowMs - atMs > forgottenMs) this.#forgotten.delete(id)
    for (const [id, entry] of this.#entries) {
      entry.grants = entry.grants.filter(({ untilMs }) => untilMs > nowMs)
      if (entry.grants.every(({ bytesPerSecond }) => bytesPerSecond === 0)) entry.heldSince = null
      if (nowMs - entry.seenMs <= forgottenMs) continue
      this.#entries.delete(id)
      this.#forgotten.set(id, { reportSequence: entry.report.reportSequence, atMs: nowMs })
      forgotten.push(entry.report)
    }
    return forgotten
  }

  of(source: string, nowMs: number): readonly Booked[] {
    const booked: Booked[] = []
    for (const [id, entry] of this.#entries) {
      const { report, seenMs, heldSince, seenSince, low } = entry
      if (report.source !== source) continue
      const isAlive = nowMs - seenMs <= silentMs
      // Twice of what it uses: room to show that it could use more.
      const demand = low.length < lowReportsMin ? Number.POSITIVE_INFINITY : 2 * Math.max(...low)
      const reserved = Math.max(0, ...entry.grants.map(({ bytesPerSecond }) => bytesPerSecond))
      const { job, worker, hasWork } = report
      const process = processOf(worker)
      const grantee = { id, process, job, hasWork: hasWork && isAlive, demand, reserved, heldSince, seenSince }
      const answer = entry.answered === report.reportSequence ? (entry.grants.at(-1)?.bytesPerSecond ?? 0) : null
      booked.push({ grantee, report, answer, isAlive })
    }
    return booked
  }

  /** Written down before the grant is appended: one whose ack is lost may still be valid. */
  grant(id: string, bytesPerSecond: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    const { reportSequence } = entry.report
    entry.answered = reportSequence
    entry.grants.push({ sequence: reportSequence, bytesPerSecond, untilMs: entry.seenMs + grantLifeMs })
    if (bytesPerSecond === 0 || entry.heldSince !== null) return
    this.#order += 1
    entry.heldSince = this.#order
  }
}
