// Disk that a folder takes, as far as it can be looked at.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Sum of the files' sizes; 0 when the folder is not there, or what is in it comes and goes while it is looked at. */
export async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
