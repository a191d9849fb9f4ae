// The life of a chunk, folded from its partition alone: one total table, status x event. A cell returns the same object
// when the event changes nothing (known, early, late or stale); a missing cell does not compile.

/** Counted failures of one chunk before it is failed for good (rule 3). */
export const failuresMax = 5
/** Workers that may be lost on one chunk (rule 3). */
export const takeoversMax = 20

export type Local = 'unknown' | 'planned' | 'leased' | 'transferred' | 'failed'

export interface Life {
  readonly local: Local
  /** Attempt that was leased last; 0 before the first. */
  readonly attempt: number
  /** Epoch of the claim of that lease. */
  readonly epoch: number
  readonly takeovers: number
  readonly failures: number
}

/** Events as they count: a claimed event gets here only if its claim stands (rule 1). */
export type LifeEvent =
  | { readonly kind: 'planned' }
  | { readonly kind: 'leased'; readonly attempt: number; readonly epoch: number }
  | { readonly kind: 'transferred'; readonly attempt: number; readonly epoch: number }
  | {
      readonly kind: 'failedByWorker'
      readonly attempt: number
      readonly epoch: number
      readonly isCounted: boolean
      readonly isFinal: boolean
    }
  | { readonly kind: 'failedByCoordinator'; readonly attempt: number }
  | { readonly kind: 'claimed'; readonly cause: 'start' | 'takeover' }

type Kind = LifeEvent['kind']
type Cell<K extends Kind> = (life: Life, event: Extract<LifeEvent, { kind: K }>) => Life
type Table = { readonly [L in Local]: { readonly [K in Kind]: Cell<K> } }

const same = (life: Life): Life => life

const isThatLease = (life: Life, event: { attempt: number; epoch: number }): boolean =>
  event.attempt === life.attempt && event.epoch === life.epoch

const lease: Cell<'leased'> = (life, event) =>
  event.attempt === life.attempt + 1 ? { ...life, local: 'leased', attempt: event.attempt, epoch: event.epoch } : life

const transfer: Cell<'transferred'> = (life, event) =>
  isThatLease(life, event) ? { ...life, local: 'transferred' } : life

const failInLease: Cell<'failedByWorker'> = (life, event) => {
  if (!isThatLease(life, event)) return life
  const failures = life.failures + (event.isCounted ? 1 : 0)
  const isOver = event.isFinal || failures >= failuresMax
  return { ...life, failures, local: isOver ? 'failed' : 'planned' }
}

/** A part that the store refused at the seal: sent again under the same upload. */
const refuse: Cell<'failedByCoordinator'> = (life, event) => {
  if (event.attempt !== life.attempt) return life
  const failures = life.failures + 1
  return { ...life, failures, local: failures >= failuresMax ? 'failed' : 'planned' }
}

const takeOver: Cell<'claimed'> = (life, event) => {
  const takeovers = life.takeovers + (event.cause === 'takeover' ? 1 : 0)
  return { ...life, takeovers, local: takeovers >= takeoversMax ? 'failed' : 'planned' }
}

export const chunkTable: Table = {
  unknown: {
    planned: (life) => ({ ...life, local: 'planned' }),
    leased: same,
    transferred: same,
    failedByWorker: same,
    failedByCoordinator: same,
    claimed: same,
  },
  planned: {
    planned: same,
    leased: lease,
    transferred: same,
    failedByWorker: same,
    failedByCoordinator: same,
    claimed: same,
  },
  leased: {
    planned: same,
    leased: same,
    transferred: transfer,
    failedByWorker: failInLease,
    failedByCoordinator: same,
    claimed: takeOver,
  },
  transferred: {
    planned: same,
    leased: same,
    transferred: same,
    failedByWorker: same,
    failedByCoordinator: refuse,
    claimed: same,
  },
  failed: {
    planned: same,
    leased: same,
    transferred: same,
    failedByWorker: same,
    failedByCoordinator: same,
    claimed: same,
  },
}

/** One step of the table. */
export function stepChunk(life: Life, event: LifeEvent): Life {
  const cells = chunkTable[life.local]
  switch (event.kind) {
    case 'planned':
      return cells.planned(life, event)
    case 'leased':
      return cells.leased(life, event)
    case 'transferred':
      return cells.transferred(life, event)
    case 'failedByWorker':
      return cells.failedByWorker(life, event)
    case 'failedByCoordinator':
      return cells.failedByCoordinator(life, event)
    case 'claimed':
      return cells.claimed(life, event)
  }
}
