// The membership port: which partitions of a topic are this process's share of a role's work (rule 9). It says who may
// claim, nothing more: what a process does counts by its claims (rule 1), whatever a membership says.
//
// Traps:
// * An assignment is advice that may be late: two processes can both believe that they own a partition for a while.
// * `assigned` is empty until the first assignment. While a group sorts itself out again, it stays what it was.
// * `failed` never resolves; it rejects when the membership broke for good, and then the process must end: brokers that
//   stayed away (LOG_UNREACHABLE), rights (LOG_DENIED), another process under this one's name (INSTANCE_TAKEN).
// * A process that slept learns from `isCurrent`, before any assignment tells it, that others may have its share by now.

export interface Membership {
  assigned(): ReadonlySet<number>
  /** Rises with each assignment, also one that changed nothing. */
  generation(): number
  /** Resolves once the generation is above `since`; rejects with the signal's reason. */
  changed(since: number, signal: AbortSignal): Promise<void>
  /** The group answered this member within its session, by the monotonic clock: it still counts as one. */
  isCurrent(): boolean
  readonly failed: Promise<never>
  /** Gives its share back at once, so that others need not wait for a timeout. Never throws; takes 2.5 s at most. */
  leave(): Promise<void>
}

/** Roles that share out their work by a group. */
export type GroupRole = 'coordinator' | 'worker' | 'verifier'
