// Running something as a user without rights.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

export const nobody = 65_534

/** Why nothing can be run here as that user; false: it can. A checkout may lie where such a user cannot go. */
export function notAsNobody(): string | false {
  if (process.getuid?.() !== 0) return 'only root can run it as another user'
  const main = join(import.meta.dirname, '../../services/cli/main.ts')
  const read = spawnSync('head', ['-c1', main], { uid: nobody, gid: nobody })
  const run = spawnSync(process.execPath, ['--version'], { uid: nobody, gid: nobody })
  return read.status === 0 && run.status === 0 ? false : 'the checkout is not open to other users'
}
