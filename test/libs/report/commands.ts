// Runs the programs of others that check what we wrote. Where one is missing a test says so and is skipped; in CI it fails.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export const reportCheck = join(import.meta.dirname, '../../support/report-check.py')

export interface Ran {
  readonly status: number | null
  readonly output: string
}

export function run(command: string, words: readonly string[], folder: string): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, words, {
    cwd: folder,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  })
  if (error !== undefined) throw error
  return { status, output: `${stdout.toString('latin1')}${stderr.toString('latin1')}` }
}

/** False, with a line saying so, when a program is missing. */
export function hasPrograms(context: TestContext, programs: readonly string[]): boolean {
  const missing = programs.filter((program) => spawnSync(program, ['--version']).error !== undefined)
  if (missing.length === 0) return true
  if (process.env['CI'] === 'true') throw new Error(`missing: ${missing.join(', ')}`)
  context.skip(`skipped: ${missing.join(', ')} not found`)
  return false
}
