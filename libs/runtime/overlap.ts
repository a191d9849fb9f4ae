// Whether two folders lie within each other, links in their paths followed. A copy into its own source would never end.
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'

/** The path with all links followed; what does not exist yet is kept as written below what does. */
async function realPathOf(path: string): Promise<string> {
  const missing: string[] = []
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      return join(await realpath(existing), ...missing)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      if ((code !== 'ENOENT' && code !== 'ENOTDIR') || existing === dirname(existing)) throw error
      missing.unshift(basename(existing))
    }
  }
}

function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
}

export type Overlap = 'none' | 'same' | 'first_in_second' | 'second_in_first'

/** Paths are absolute. Throws the system's error when a folder on the way may not be looked into. */
export async function overlapOf(first: string, second: string): Promise<Overlap> {
  const [one, other] = [await realPathOf(first), await realPathOf(second)]
  if (one === other) return 'same'
  if (isWithin(one, other)) return 'first_in_second'
  return isWithin(other, one) ? 'second_in_first' : 'none'
}

/** Where a folder lies inside another: its name relative to it, in bytes, without slashes at the ends; null when it does not. */
export async function nameInside(inner: string, outer: string): Promise<Buffer | null> {
  const [one, other] = [await realPathOf(inner), await realPathOf(outer)]
  if (one === other || !isWithin(one, other)) return null
  return Buffer.from(one.slice(other.endsWith(sep) ? other.length : other.length + 1))
}
