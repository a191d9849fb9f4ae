// Keeps the roles running that are wanted now: starts what is missing, stops what is not wanted any more, and starts again
// after a pause what failed. One job's trouble is its own.
import type { Clock } from '#libs/runtime/clock'

export interface WantedRole {
  /** Says all that the role was started for: another key is another role. */
  readonly key: string
  readonly job: string
  /** Runs until the signal aborts; throws what ended it before. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

export interface RoleFailure {
  readonly key: string
  readonly job: string
  readonly error: unknown
  /** Failures in a row. */
  readonly times: number
}

export interface RoleDesk {
  sync(wanted: readonly WantedRole[]): void
  /** A role of the job runs, or has work under way after its stop. */
  isRunning(job: string): boolean
  /** Stops all and waits for what they have under way. */
  close(): Promise<void>
}

interface Running {
  readonly job: string
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** Pause before a role is started again: doubled with each failure in a row. */
const restMs = 5_000
const restMsMax = 120_000

export function createRoleDesk(options: {
  readonly clock: Clock
  readonly onFailure: (failure: RoleFailure) => void
  readonly onEnd: () => void
}): RoleDesk {
  const { clock, onFailure, onEnd } = options
  const running = new Map<string, Running>()
  const failures = new Map<string, { times: number; until: number }>()

  function start({ key, job, run }: WantedRole): void {
    const stop = new AbortController()
    const done = run(stop.signal)
      .then(
        () => {
          failures.delete(key)
        },
        (error: unknown) => {
          if (stop.signal.aborted) return
          const times = (failures.get(key)?.times ?? 0) + 1
          failures.set(key, { times, until: clock.monotonic() + Math.min(restMsMax, restMs * 2 ** (times - 1)) })
          onFailure({ key, job, error, times })
        },
      )
      .finally(() => {
        running.delete(key)
        onEnd()
      })
    running.set(key, { job, stop, done })
  }

  return {
    sync(wanted) {
      const keys = new Set(wanted.map(({ key }) => key))
      for (const [key, { stop }] of running) if (!keys.has(key)) stop.abort()
      for (const key of failures.keys()) if (!keys.has(key)) failures.delete(key)
      for (const role of wanted) {
        const rest = failures.get(role.key)
        if (!running.has(role.key) && (rest === undefined || rest.until <= clock.monotonic())) start(role)
      }
    },
    isRunning: (job) => [...running.values()].some((role) => role.job === job),
    async close() {
      for (const { stop } of running.values()) stop.abort()
      await Promise.allSettled([...running.values()].map(({ done }) => done))
    },
  }
}
