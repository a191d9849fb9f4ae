// What a person is told when a job's store is of no use and is folded again from the log. Nothing is lost by that.
import { WaybillError } from '#libs/domain/errors'

function reasonOf(error: unknown): string {
  const isOfOtherFormat = error instanceof WaybillError && error.facts['format'] !== undefined
  return isOfOtherFormat ? 'was made by another version of waybill' : 'is damaged'
}

/** @param error STORE_DAMAGED. @param kept where the store was moved; null: nowhere. */
export function storeLossText(error: unknown, kept: string | null): string {
  return `the state store ${reasonOf(error)}: it is rebuilt from the log${kept === null ? '' : ` (kept as ${kept})`}`
}

/** For a store that could not even be opened. */
export function storeDamageText(movedAside: string): string {
  return `the state store was damaged: it is rebuilt from the log (kept as ${movedAside})`
}
