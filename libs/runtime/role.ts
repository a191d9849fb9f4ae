// The four steps of every role: state -> decide -> effect -> append, until the signal stops it. A task's key stays busy
// until its events are folded, so nothing is decided twice on state that does not show it yet.
import { codeOf, WaybillError } from '#libs/domain/errors'
import type { EventWriter, PlacedDraft } from '#libs/log/event-writer'
import type { Projection } from '#libs/projection/projection'
import type { Clock } from './clock.ts'

export interface Role<T> {
  readonly name: string
  keyOf(task: T): string
  /** Tasks for the state as folded; those whose key is busy are left out by the runner. */
  decide(busy: ReadonlySet<string>): Promise<readonly T[]>
  /** One bounded piece of work; returns the events that say what came of it. */
  perform(task: T, signal: AbortSignal): Promise<readonly PlacedDraft[]>
  /** Events for an effect that threw; null: try again after a while. Throws what must end the run. */
  recover(task: T, error: unknown): readonly PlacedDraft[] | null
}

export interface RoleContext {
  readonly projection: Projection
  readonly writer: EventWriter
  readonly clock: Clock
  /** Looks at the state at least this often, for what only time changes (grants, deadlines). */
  readonly idleMs: number
  readonly retryMs: number
  /** Ends the role: running effects are aborted, what they return is still appended. */
  readonly signal: AbortSignal
}

/** Appends and waits until the events are folded here. */
export async function appendAndFold(
  context: Pick<RoleContext, 'projection' | 'writer'>,
  drafts: readonly PlacedDraft[],
  signal: AbortSignal,
): Promise<void> {
  if (drafts.length === 0) return
  const appended = await context.writer.append(drafts)
  for (const { topic, partition, position } of appended) {
    await context.projection.foldedUpTo(topic, partition, position, signal)
  }
}

interface Running {
  readonly busy: Map<string, Promise<void>>
  readonly fail: (error: unknown) => void
  readonly wake: () => void
}

/** Given as reason so that no error with a stack is made at every wake-up. */
const awake = 'awake'

/** How long a task that said nothing is left alone. */
const nothingMs = 10

async function runTask<T>(role: Role<T>, task: T, context: RoleContext): Promise<void> {
  const { clock, retryMs, signal } = context
  let drafts: readonly PlacedDraft[] | null
  try {
    drafts = await role.perform(task, signal)
  } catch (error) {
    if (signal.aborted) return
    drafts = role.recover(task, error)
  }
  if (drafts === null) {
    await clock.sleep(retryMs, signal)
    return
  }
  if (drafts.length === 0) {
    // Nothing came of it: decided again at once, it might be decided again and again while nothing else gets a turn.
    await clock.sleep(nothingMs, signal).catch(() => undefined)
    return
  }
  await appendAndFold(context, drafts, signal)
}

function startTask<T>(role: Role<T>, task: T, context: RoleContext, running: Running): void {
  const key = role.keyOf(task)
  if (running.busy.has(key)) return
  const done = runTask(role, task, context)
    .catch((error: unknown) => {
      // After the stop a wait for a fold is cut off: the event is in the log.
      if (!context.signal.aborted || codeOf(error) !== 'INTERNAL') running.fail(error)
    })
    .finally(() => {
      running.busy.delete(key)
      running.wake()
    })
  running.busy.set(key, done)
}

/** Runs until the signal aborts (returns) or an effect ends the run (throws its error). Waits for running effects. */
export async function runRole<T>(role: Role<T>, context: RoleContext): Promise<void> {
  const { projection, clock, signal, idleMs } = context
  // A role that fails ends its other effects too: some wait for what only the role itself could bring, such as a grant.
  const failing = new AbortController()
  const effects = { ...context, signal: AbortSignal.any([signal, failing.signal]) }
  let failure: { readonly error: unknown } | null = null
  let nudge = new AbortController()
  const busy = new Map<string, Promise<void>>()
  const running: Running = {
    busy,
    wake: () => nudge.abort(awake),
    fail: (error) => {
      failure ??= { error }
      failing.abort(new WaybillError('ABORTED'))
      nudge.abort(awake)
    },
  }
  const hasFailed = (): boolean => failure !== null
  signal.addEventListener('abort', running.wake, { once: true })
  while (!signal.aborted && !hasFailed()) {
    nudge = new AbortController()
    const { signal: round } = nudge
    const version = projection.version()
    // A key that was busy when the state was read stays out of this round, even if it is free by now: what was read may
    // be older than the events that freed it.
    const before = new Set(busy.keys())
    for (const task of await role.decide(before)) {
      if (!before.has(role.keyOf(task))) startTask(role, task, effects, running)
    }
    if (hasFailed()) break
    await Promise.race([projection.changed(version, round), clock.sleep(idleMs, round)]).catch((error: unknown) => {
      if (!round.aborted) throw error
    })
    // Lets go of the other one.
    nudge.abort(awake)
  }
  signal.removeEventListener('abort', running.wake)
  await Promise.allSettled(busy.values())
  const failed = failure as { readonly error: unknown } | null
  if (failed !== null) throw failed.error
}
