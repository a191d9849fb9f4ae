// A source may hold our own state folder: whoever moves their home does so. It changes while the job runs, so it is left
// out, and that is said.
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import type { Location } from './locations.ts'

/** The path with links followed as far as it exists; null when it cannot be looked at, which those who open it will tell. */
async function realPathOf(path: string): Promise<string | null> {
  for (let existing = path, missing = ''; ; existing = dirname(existing)) {
    try {
      return join(await realpath(existing), missing)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === undefined) throw error
      if (code !== 'ENOENT' || existing === dirname(existing)) return null
      missing = join(basename(existing), missing)
    }
  }
}

/** Name of the state folder relative to the source, as the source lists it; null when it does not lie in it. */
export async function stateInside(stateFolder: string, source: Location): Promise<Buffer | null> {
  if (source.kind !== 'files') return null
  const [state, root] = [await realPathOf(stateFolder), await realPathOf(source.path)]
  if (state === null || root === null) return null
  const base = root.endsWith(sep) ? root : `${root}${sep}`
  return state.startsWith(base) ? Buffer.from(state.slice(base.length)) : null
}

/** True for the folder itself and everything in it. */
export function isInFolder(name: Buffer, folder: Buffer): boolean {
  const isBelow = name.length > folder.length && name[folder.length] === 0x2f
  return (isBelow || name.length === folder.length) && name.subarray(0, folder.length).equals(folder)
}
