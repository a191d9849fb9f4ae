// A process's own limit of what it reads at sources, in front of what its jobs are granted.
import type { Clock } from '#libs/runtime/clock'
import { createReadGate, type ReadGate } from '#libs/transfer/read-gate'

/** A gate that never expires; null: no limit. */
export function createSourceLimit(clock: Clock, bytesPerSecond: number | null): ReadGate | null {
  if (bytesPerSecond === null) return null
  const gate = createReadGate(clock)
  gate.grant({ bytesPerSecond, validUntilMonotonicMs: Number.POSITIVE_INFINITY })
  return gate
}

/** A job's gate behind the process's limit: both must let the bytes through. */
export function behindLimit(gate: ReadGate, limit: ReadGate | null): ReadGate {
  if (limit === null) return gate
  return {
    grant: (grant) => gate.grant(grant),
    hasGrant: () => gate.hasGrant(),
    sliceBytes: () => Math.min(gate.sliceBytes(), limit.sliceBytes()),
    async take(bytesWanted, signal) {
      const admitted = await gate.take(Math.min(bytesWanted, limit.sliceBytes()), signal)
      let left = admitted
      while (left > 0) left -= await limit.take(left, signal)
      return admitted
    },
  }
}
