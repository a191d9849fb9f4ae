// Source and target held against each other by a program that shares no code with waybill: `diff -r` over the files in
// which the S3 server keeps its objects.
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runTool } from '#test/support/foreign-tools'

export interface Comparison {
  /** Lines of diff that say that something differs or is missing. */
  readonly differences: readonly string[]
  /** Links and empty folders: S3 has no object for them, the report lists them. */
  readonly unstored: number
}

/** What `diff` says about entries that S3 cannot hold. */
function isUnstored(line: string, source: string): boolean {
  const match = /^Only in (.+): (.+)$/s.exec(line)
  if (match === null || !(match[1] ?? '').startsWith(source)) return false
  const path = join(match[1] ?? '', match[2] ?? '')
  const stat = lstatSync(path)
  if (stat.isSymbolicLink()) return true
  return stat.isDirectory() && holdsNothing(path)
}

function holdsNothing(folder: string): boolean {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).every((entry) => !entry.isFile())
}

export function compareTrees(source: string, objects: string): Comparison {
  const { code, output, errors } = runTool('diff', ['-r', '-q', '--no-dereference', source, objects])
  if (code > 1) throw new Error(`diff ended with ${code}: ${errors.slice(0, 1000)}`)
  // Names come as one byte a character.
  const lines = Buffer.from(output, 'latin1')
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
  const differences = lines.filter((line) => !isUnstored(line, source))
  return { differences, unstored: lines.length - differences.length }
}
