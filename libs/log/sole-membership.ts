// A membership of one: every partition is its own, for as long as the process lives (embedded log).
import type { Membership } from './membership.ts'

export function soleMembership(partitions: number): Membership {
  const assigned = new Set(Array.from({ length: partitions }, (_, partition) => partition))
  return {
    assigned: () => assigned,
    generation: () => 1,
    changed: (since, signal) =>
      since < 1
        ? Promise.resolve()
        : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    isCurrent: () => true,
    failed: new Promise(() => undefined),
    leave: () => Promise.resolve(),
  }
}
