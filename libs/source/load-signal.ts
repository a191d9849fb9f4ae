// The port of a signal: one number that says how loaded a source is, beside what our own reads tell. Adapters: signals/.
//
// Traps:
// * `read` is called every few seconds, and is given up by its signal: it may take as long as that, and must not throw late.
// * null is no failure: a difference between two looks needs two.
// * A failure is not retried here. The last value grows old, and 15 s later the source is read at the floor rate.
// * What a signal answers may come from strangers: it is a number or it is refused, and its text goes into no message.

export interface LoadReading {
  readonly value: number
  /** All bytes a second of the source, ours included, where the signal knows them: then our part is taken off the value. */
  readonly bytesPerSecond: number | null
}

export interface LoadSignal {
  /** In decisions and logs. */
  readonly name: string
  /** Above this the source is overloaded. */
  readonly threshold: number
  /** Throws SIGNAL_FAILED, SIGNAL_UNREADABLE, and the signal's reason. */
  read(signal: AbortSignal): Promise<LoadReading | null>
}
