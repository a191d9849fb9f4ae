// Comparisons by programs that share no code with waybill. All throw when the program itself cannot run.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const outputBytesMax = 256 * 1024 * 1024

export interface ToolEnd {
  readonly code: number
  /** One byte a character, so that names that are not UTF-8 survive. */
  readonly output: string
  readonly errors: string
}

export function runTool(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string
    readonly environment?: Readonly<Record<string, string>>
    readonly input?: Buffer
  } = {},
): ToolEnd {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: options.cwd ?? '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', ...options.environment },
    input: options.input ?? Buffer.alloc(0),
    maxBuffer: outputBytesMax,
  })
  if (error !== undefined) throw error
  return { code: status ?? -1, output: stdout.toString('latin1'), errors: stderr.toString('latin1') }
}

/** Lines that `diff -r --no-dereference` prints: differing files, and what only one side has. */
export function diffTrees(a: string, b: string, excluded: readonly string[] = []): readonly string[] {
  const excludes = excluded.map((name) => `--exclude=${name}`)
  const { code, output, errors } = runTool('diff', ['-r', '-q', '--no-dereference', ...excludes, a, b])
  if (code > 1) throw new Error(`diff ended with ${code}: ${errors.slice(0, 1000)}`)
  return output.split('\n').filter((line) => line !== '')
}

/** What `find -printf '%y %m %l %P'` says of everything below the root; names in latin1. */
export function foundEntries(root: string, format = '%y %m %l %P'): ReadonlySet<string> {
  const { code, output, errors } = runTool('find', ['.', '-mindepth', '1', '-printf', `${format}\\0`], { cwd: root })
  if (code !== 0) throw new Error(`find ended with ${code}: ${errors.slice(0, 1000)}`)
  return new Set(output.split('\0').slice(0, -1))
}

/** Entries of one set that the other does not have. */
export function missingFrom(have: ReadonlySet<string>, wanted: ReadonlySet<string>): readonly string[] {
  return [...wanted].filter((entry) => !have.has(entry))
}

export function runPython(script: string, args: readonly string[], input?: Buffer): ToolEnd {
  return runTool('python3', [join(import.meta.dirname, script), ...args], input === undefined ? {} : { input })
}

/** Differences between two folders by diff and by find: bytes, kinds, modes, link texts, owners and times. */
export function compareFolders(source: string, target: string): readonly string[] {
  const format = '%y %m %T@ %U %G %l %P'
  const [before, after] = [foundEntries(source, format), foundEntries(target, format)]
  return [...diffTrees(source, target), ...missingFrom(after, before), ...missingFrom(before, after)]
}
