// Time, randomness, environment and output are arguments, never globals.
import { findingAt, importsOf, isBelow, isProgram, type Rule, type SourceFile, usesOf, visit } from './source-file.ts'

const environmentFile = 'libs/runtime/environment.ts'

function usesAmong(names: readonly string[], tree: readonly SourceFile[]): ReturnType<Rule['check']> {
  return tree.flatMap((file) =>
    usesOf(file)
      .filter(({ name }) => names.includes(name))
      .map(({ name, start }) => findingAt(file, start, `uses ${name}`)),
  )
}

const domainForbids = [
  'Date',
  'Math.random',
  'process',
  'performance',
  'crypto',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
]
const clockForbids = ['Date.now', 'Math.random', 'performance.now', 'setTimeout', 'setInterval']

/** `new Date()` without an argument asks the machine; `new Date(at)` only writes a time down. */
function bareDates(file: SourceFile): ReturnType<Rule['check']> {
  const found: ReturnType<Rule['check']>[number][] = []
  visit(file, {
    NewExpression: (node) => {
      if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0) {
        found.push(findingAt(file, node.start, 'uses new Date()'))
      }
    },
  })
  return found
}

function environmentImports(file: SourceFile): ReturnType<Rule['check']> {
  const found: ReturnType<Rule['check']>[number][] = []
  visit(file, {
    ImportDeclaration: (node) => {
      const takesEnv = node.specifiers.some((one) => one.type === 'ImportSpecifier' && one.local.name === 'env')
      if (/^(node:)?process$/.test(node.source.value) && takesEnv) {
        found.push(findingAt(file, node.start, 'imports env of process'))
      }
    },
    VariableDeclarator: (node) => {
      if (node.id.type !== 'ObjectPattern' || node.init?.type !== 'Identifier' || node.init.name !== 'process') return
      const takesEnv = node.id.properties.some(
        (one) => one.type === 'RestElement' || (one.key.type === 'Identifier' && one.key.name === 'env'),
      )
      if (takesEnv) found.push(findingAt(file, node.start, 'takes env out of process'))
    },
  })
  return found
}

const sample = (path: string, text: string): readonly { path: string; text: string }[] => [{ path, text: `${text}\n` }]

export const purityRules: readonly Rule[] = [
  {
    promise: 'libs/domain is pure: no node: or npm import, no clock, no randomness, no process, no timer',
    reason:
      'folds and decisions are replayed from the log and simulated from a seed; they must give the same each time',
    check: (tree) => {
      const domain = tree.filter(({ path }) => isBelow(path, 'libs/domain'))
      const strange = domain.flatMap((file) =>
        importsOf(file)
          .filter(({ isOurs }) => !isOurs)
          .map(({ target, start }) => findingAt(file, start, `imports ${target}`)),
      )
      return [...strange, ...usesAmong(domainForbids, domain)]
    },
    bad: [
      sample('libs/domain/a.ts', `import { createHash } from 'node:crypto'`),
      sample('libs/domain/a.ts', `import pico from 'picomatch'`),
      sample('libs/domain/a.ts', 'const at = Date.now()'),
      sample('libs/domain/a.ts', 'const at = new Date(0)'),
      sample('libs/domain/a.ts', 'const r = Math.random()'),
      sample('libs/domain/a.ts', 'const home = process.env.HOME'),
      sample('libs/domain/a.ts', 'setTimeout(() => 1, 5)'),
    ],
    good: [
      sample('libs/domain/a.ts', '// Date and process are only words here\nconst text = "Date.now()"'),
      sample('libs/domain/a.ts', 'const next = job.process + job.Date + { process: 1 }.process'),
      sample('libs/log/a.ts', `import { createHash } from 'node:crypto'`),
    ],
  },
  {
    promise: 'time and randomness are arguments, except in libs/runtime and main files',
    reason: 'the simulation runs the same code on a virtual clock and a seed; a hidden clock would break it unseen',
    check: (tree) => {
      const bound = tree.filter(
        ({ path }) => isProgram(path) && !isBelow(path, 'libs/runtime') && !/^services\/[^/]+\/main\.ts$/.test(path),
      )
      return [...usesAmong(clockForbids, bound), ...bound.flatMap(bareDates)]
    },
    bad: [
      sample('libs/log/a.ts', 'const at = Date.now()'),
      sample('services/worker/a.ts', 'const at = new Date()'),
      sample('libs/target/a.ts', 'setTimeout(() => 1, 5)'),
      sample('libs/target/a.ts', 'const wait = Math.random() * 100'),
    ],
    good: [
      sample('libs/report/a.ts', 'const text = new Date(at).toISOString()'),
      sample('libs/runtime/clock.ts', 'const at = Date.now()'),
    ],
  },
  {
    promise: `process.env is read in ${environmentFile} only`,
    reason: 'what the environment can change must be found in one place, and secrets must pass through one gate',
    check: (tree) => {
      const bound = tree.filter(({ path }) => isProgram(path) && path !== environmentFile)
      return [...usesAmong(['process.env'], bound), ...bound.flatMap(environmentImports)]
    },
    bad: [
      sample('libs/log/a.ts', 'const home = process.env.HOME'),
      sample('services/cli/main.ts', `const home = process.env['HOME']`),
      sample('libs/log/a.ts', `import { env } from 'node:process'`),
      sample('libs/log/a.ts', 'const { env } = process'),
    ],
    good: [
      sample(environmentFile, 'const home = process.env.HOME'),
      sample('test/a.test.ts', 'process.env.CI'),
      sample('services/cli/a.ts', 'const { stdout } = process'),
    ],
  },
  {
    promise: 'console is used in services/cli, test, bench and scripts only',
    reason: 'results go through the command line, all else through the logger, where it is structured and redacted',
    check: (tree) =>
      usesAmong(
        ['console'],
        tree.filter(({ path }) => isProgram(path) && !isBelow(path, 'services/cli', 'bin')),
      ),
    bad: [sample('libs/log/a.ts', 'console.log(1)'), sample('services/worker/a.ts', 'const out = console')],
    good: [sample('services/cli/a.ts', 'console.log(1)'), sample('libs/log/a.ts', '// no console here')],
  },
]
