// Runs the project's tests: `node --conditions=source test/run.ts quick|all|campaign [PATTERN...]`.
//
// quick     every *.test.ts that needs no server and no long campaign
// all       the same and *.server.test.ts; without servers those say what they skip, with CI=true they fail
// campaign  only *.campaign.test.ts: many seeds, many minutes
//
// A pattern keeps the files whose path contains it. Files are found here and not by a shell's globs, so that every Node
// line sees the same list. The closing lines are those of Node's own runner.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { filesBelow } from '#test/support/tree-files'

const suites = ['quick', 'all', 'campaign'] as const
type Suite = (typeof suites)[number]

const filesAtOnceMax = 2
/** A file that hangs fails by itself: nobody should wait for a run that cannot end. */
const fileSecondsMax: Readonly<Record<Suite, number>> = { quick: 180, all: 900, campaign: 7200 }

const root = join(import.meta.dirname, '..')

function isSuite(word: string | undefined): word is Suite {
  return suites.some((suite) => suite === word)
}

function belongsTo(suite: Suite, path: string): boolean {
  if (!path.endsWith('.test.ts')) return false
  const isServer = path.endsWith('.server.test.ts')
  const isCampaign = path.endsWith('.campaign.test.ts')
  switch (suite) {
    case 'quick':
      return !isServer && !isCampaign
    case 'all':
      return !isCampaign
    case 'campaign':
      return isCampaign
  }
}

/** Resolves with the exit code of Node's runner: 0 only when every test passed. */
function runFiles(suite: Suite, files: readonly string[]): Promise<number> {
  const runner = [
    '--conditions=source',
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${Math.min(filesAtOnceMax, availableParallelism())}`,
    `--test-timeout=${fileSecondsMax[suite] * 1000}`,
  ]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...runner, ...files], { cwd: root, stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

async function main(): Promise<number> {
  const [suite, ...patterns] = process.argv.slice(2)
  if (!isSuite(suite)) {
    console.error(`usage: node --conditions=source test/run.ts ${suites.join('|')} [PATTERN...]`)
    return 2
  }
  const paths = filesBelow(join(root, 'test'), { skips: [] }).map((path) => relative(root, path))
  const files = paths
    .filter((path) => belongsTo(suite, path))
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
  if (files.length === 0) {
    console.error(`no test file of ${suite} has ${patterns.join(' or ')} in its path`)
    return 2
  }
  const startedAt = performance.now()
  const code = await runFiles(suite, files)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${suite}: ${files.length} test files in ${seconds} s, Node ${process.version}`)
  return code
}

process.exitCode = await main()
