// The mark of an object of ours, as every adapter writes it: `job/item/generation`.
import type { Mark } from './target.ts'

/** Item ids are `pass.page.index` and hold no slash, so the job may. */
export function markText(mark: Mark): string {
  return `${mark.job}/${mark.item}/${mark.generation}`
}

/** null for anything that is not a mark: a stranger's metadata of the same name is no error. */
export function parseMark(text: string): Mark | null {
  const parts = /^(.+)\/([^/]*)\/(\d{1,9})$/s.exec(text)
  if (parts === null) return null
  const [, job = '', item = '', generation = ''] = parts
  return { job, item, generation: Number(generation) }
}

export function isSameMark(left: Mark | null, right: Mark): boolean {
  return left !== null && left.job === right.job && left.item === right.item && left.generation === right.generation
}
