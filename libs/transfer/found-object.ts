// What is to be done with an item when something may be under its key already (rule 8, I6): pure.
import { isSameMark } from '#libs/target/mark'
import type { Mark, ObjectState, PutCondition } from '#libs/target/target'
import type { Extent, JobRequest } from '#schemas/records'

export type Decision =
  | { readonly kind: 'put'; readonly condition: PutCondition }
  /** The object stays; the source is only read and hashed, and the verifier compares. */
  | { readonly kind: 'given'; readonly seal: string; readonly isOurs: boolean }
  | { readonly kind: 'conflict' }

export interface Wanted {
  readonly mark: Mark
  readonly overwrite: JobRequest['overwrite']
}

export function markOf(job: string, extent: Extent): Mark {
  return { job, item: extent.item, generation: extent.generation }
}

/** Only files have a size of their own: stores differ in what they say about links and directories. */
function hasSameShape(found: ObjectState, extent: Extent): boolean {
  return found.kind === extent.kind && (extent.kind !== 'file' || found.size === extent.length)
}

/** The decision before anything was sent, and again each time the target said TARGET_EXISTS. */
export function decideOnFound(found: ObjectState | null, extent: Extent, wanted: Wanted): Decision {
  if (found === null) return { kind: 'put', condition: { kind: 'absent' } }
  const isOurs = found.mark?.job === wanted.mark.job
  if (hasSameShape(found, extent)) return { kind: 'given', seal: found.seal, isOurs }
  const mayReplace = isOurs || wanted.overwrite !== 'never'
  return mayReplace ? { kind: 'put', condition: { kind: 'match', seal: found.seal } } : { kind: 'conflict' }
}

/** True when a put of exactly this generation has acted although its answer was lost. */
export function isOwnPut(found: ObjectState | null, extent: Extent, mark: Mark): found is ObjectState {
  return found !== null && hasSameShape(found, extent) && isSameMark(found.mark, mark)
}
