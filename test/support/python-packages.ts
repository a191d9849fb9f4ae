// Packages that an example in Python needs, fetched once into .servers, for the interpreter that is there.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { serversFolder } from '../../scripts/server-binaries.ts'

/** A folder for PYTHONPATH, or in words why there is none. */
export function pythonPackages(requirements: string): { readonly folder: string } | { readonly missing: string } {
  try {
    const version = execFileSync('python3', ['--version'], { encoding: 'utf8' })
    const digest = createHash('sha256').update(version).update(readFileSync(requirements)).digest('hex').slice(0, 12)
    const folder = join(serversFolder, `python-${digest}`)
    if (existsSync(folder)) return { folder }
    const fetched = `${folder}.${process.pid}`
    const words = ['-m', 'pip', 'install', '--quiet', '--no-input', '--target', fetched, '-r', requirements]
    try {
      execFileSync('python3', words, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
      renameSync(fetched, folder)
    } finally {
      rmSync(fetched, { recursive: true, force: true })
    }
    return { folder }
  } catch (error) {
    return { missing: `python3 with the packages of ${requirements} is not to be had: ${String(error).slice(0, 200)}` }
  }
}
