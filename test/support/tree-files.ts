// Files of a folder, for tests that look at the repository itself.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Absolute paths of all regular files below `folder`, sorted; folders whose name is in `skips` are not entered. */
export function filesBelow(folder: string, options: { readonly skips: readonly string[] }): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return options.skips.includes(entry.name) ? [] : filesBelow(path, options)
    return entry.isFile() ? [path] : []
  })
}
