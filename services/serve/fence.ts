// The fence for a process that may have lost its claim without knowing (architecture.md "Moving bytes"): it asks the log
// where its partitions end, and once it has folded that far with its claim still the latest, the claim is good for 5 s
// from the moment the question was sent. Asked on demand, so an idle process asks nothing.
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { partitionId } from '#libs/log/event-log'
import type { Claim } from '#libs/runtime/claims'
import type { ServeParts } from './parts.ts'

/** How long an answer holds, counted from sending the question. */
const holdsMs = 5_000
/** An answer older than this is asked for again, in the background. */
const refreshMs = 2_000

export interface Fence {
  /** Resolves while the claim is known to stand. Throws CLAIM_LOST, and what the log throws. */
  mustStillHold(claim: Claim): Promise<void>
}

type FenceParts = Pick<ServeParts, 'log' | 'projection' | 'clock' | 'signal'>

class LogFence implements Fence {
  readonly #parts: FenceParts
  readonly #claims: () => readonly Claim[]
  #sentAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | null = null

  constructor(parts: FenceParts, claims: () => readonly Claim[]) {
    this.#parts = parts
    this.#claims = claims
  }

  async mustStillHold(claim: Claim): Promise<void> {
    const { clock } = this.#parts
    const age = clock.monotonic() - this.#sentAt
    if (age >= refreshMs) {
      const asked = this.#ask(claim)
      // Whoever needs the answer awaits it below; a question that failed in the background is asked again.
      if (age < holdsMs) asked.catch(() => undefined)
    }
    while (clock.monotonic() - this.#sentAt >= holdsMs) await this.#ask(claim)
    const row = await this.#parts.projection.rows.get(keyOf.partition(claim.topic, claim.partition))
    if (row?.claim !== claim.claim) {
      throw new WaybillError('CLAIM_LOST', { topic: claim.topic, partition: claim.partition })
    }
  }

  #ask(claim: Claim): Promise<void> {
    this.#asking ??= this.#question(claim).finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  /** Of all own partitions, and of that of the claim at hand, which may have left them a moment ago. */
  async #question(claim: Claim): Promise<void> {
    const { log, projection, clock, signal } = this.#parts
    const sentAt = clock.monotonic()
    const claims = [...this.#claims(), claim]
    const ends = await log.ends()
    for (const { topic, partition } of claims) {
      const end = ends.get(partitionId(topic, partition)) ?? 0
      if (end > 0) await projection.foldedUpTo(topic, partition, end - 1, signal)
    }
    this.#sentAt = sentAt
  }
}

/** `claims`: all that this process holds, whose partitions are asked about. */
export function createFence(parts: FenceParts, claims: () => readonly Claim[]): Fence {
  return new LogFence(parts, claims)
}
