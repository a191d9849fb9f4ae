// Which folder may know which: schemas <- libs/domain <- libs/* <- services.
import { type Finding, findingAt, importsOf, isBelow, isProgram, type Rule, type SourceFile } from './source-file.ts'

const bench = ['test', 'bench', 'scripts'] as const

function layerOf(path: string): 'schemas' | 'domain' | 'libs' | 'services' | 'outside' {
  if (isBelow(path, 'schemas')) return 'schemas'
  if (isBelow(path, 'libs/domain')) return 'domain'
  if (isBelow(path, 'libs')) return 'libs'
  if (isBelow(path, 'services')) return 'services'
  return 'outside'
}

/** Folders that a file of each layer may import from. */
const allowed: Readonly<Record<ReturnType<typeof layerOf>, readonly string[]>> = {
  schemas: ['schemas'],
  domain: ['schemas', 'libs/domain'],
  libs: ['schemas', 'libs'],
  services: ['schemas', 'libs', 'services'],
  outside: ['schemas', 'libs', 'services', ...bench],
}

function wrongDirections(file: SourceFile): readonly Finding[] {
  const folders = allowed[layerOf(file.path)]
  return importsOf(file)
    .filter(({ isOurs, target }) => isOurs && !isBelow(target, ...folders))
    .map(({ target, start }) => findingAt(file, start, `imports ${target}`))
}

const serviceOf = (path: string): string | undefined => /^services\/([^/]+)\//.exec(path)?.[1]
const isMain = (path: string): boolean => /^services\/[^/]+\/main\.ts$/.test(path)

/** Folders that put roles together: all of them in one process, and the command line that starts that. */
const wiring: Readonly<Record<string, readonly string[]>> = {
  embedded: ['coordinator', 'worker', 'verifier', 'api'],
  serve: ['coordinator', 'worker', 'verifier', 'api'],
  cli: ['embedded', 'serve', 'api'],
}

function strangeServices(file: SourceFile): readonly Finding[] {
  const own = serviceOf(file.path)
  if (own === undefined || isMain(file.path)) return []
  const known = [own, ...(wiring[own] ?? [])]
  return importsOf(file)
    .filter(({ target }) => !known.includes(serviceOf(target) ?? own))
    .map(({ target, start }) => findingAt(file, start, `imports ${target}`))
}

/** `log/segments`, when the file is part of an adapter: a folder of its own beside the port, or a memory adapter. */
export function adapterOf(path: string): string | undefined {
  const folder = /^libs\/((?:log|store|source|target)\/[^/]+)\//.exec(path)
  const memory = /^libs\/((?:log|store|source|target)\/memory)[^/]*\.ts$/.exec(path)
  return folder?.[1] ?? memory?.[1]
}

/** Imports of adapters by files that are not part of the same adapter. */
function adapterImports(file: SourceFile): readonly Finding[] {
  if (!isProgram(file.path)) return []
  return importsOf(file)
    .filter(({ isOurs, target }) => isOurs && adapterOf(target) !== undefined)
    .filter(({ target }) => adapterOf(target) !== adapterOf(file.path))
    .map(({ target, start }) => findingAt(file, start, `imports the adapter ${target}`))
}

function strayAdapterImports(tree: readonly SourceFile[]): readonly Finding[] {
  const findings = tree.flatMap(adapterImports)
  const choosers = new Set(findings.map(({ path }) => path).filter((path) => isBelow(path, 'libs/runtime')))
  return choosers.size > 1 ? findings : findings.filter(({ path }) => !choosers.has(path))
}

const importing = (path: string, target: string): readonly { path: string; text: string }[] => [
  { path, text: `import { thing } from '${target}'\n` },
]

export const importRules: readonly Rule[] = [
  {
    promise: 'imports go one way: schemas <- libs/domain <- libs <- services',
    reason: 'the pure core must be readable and testable without the rest; nothing of the program leans on tests',
    check: (tree) => tree.flatMap(wrongDirections),
    bad: [
      importing('schemas/events.ts', '#libs/domain/chunk'),
      importing('libs/domain/chunk.ts', '#libs/log/event-log'),
      importing('libs/domain/chunk.ts', '../log/event-log.ts'),
      importing('libs/log/event-log.ts', '#services/worker/worker'),
      importing('libs/log/event-log.ts', '#test/support/seed'),
      [{ path: 'libs/domain/chunk.ts', text: `export type { Log } from '#libs/log/event-log'\n` }],
      [{ path: 'libs/domain/chunk.ts', text: `const late = await import('#libs/log/event-log')\n` }],
    ],
    good: [
      importing('libs/domain/chunk.ts', '#schemas/events'),
      importing('libs/transfer/mover.ts', '#libs/source/source'),
      importing('services/worker/worker.ts', '#libs/domain/chunk'),
      importing('test/libs/domain/chunk.test.ts', '#libs/domain/chunk'),
    ],
  },
  {
    promise: 'a role imports no other service; only main files and what puts roles together do',
    reason: 'roles speak through the log only, or they cannot run on different machines',
    check: (tree) => tree.flatMap(strangeServices),
    bad: [
      importing('services/worker/worker.ts', '#services/coordinator/planner'),
      importing('services/worker/worker.ts', '#services/embedded/migration'),
      importing('services/cli/commands/migrate.ts', '#services/worker/worker'),
    ],
    good: [
      importing('services/embedded/migration.ts', '#services/worker/worker'),
      importing('services/cli/commands/migrate.ts', '#services/embedded/migration'),
      importing('services/cli/main.ts', '#services/worker/worker'),
      importing('services/worker/worker.ts', './lease.ts'),
    ],
  },
  {
    promise: 'an adapter is imported by itself and by one file of libs/runtime',
    reason: 'roles know ports; the choice of adapters stands in one place',
    check: strayAdapterImports,
    bad: [
      importing('libs/target/s3/uploads.ts', '#libs/target/files/paths'),
      importing('libs/target/s3/uploads.ts', '../memory-target.ts'),
      importing('services/worker/worker.ts', '#libs/store/rocksdb/store'),
      importing('libs/transfer/mover.ts', '#libs/source/files/walk'),
      [
        ...importing('libs/runtime/adapters.ts', '#libs/log/segments/segment-log'),
        ...importing('libs/runtime/other.ts', '#libs/store/rocksdb/store'),
      ],
    ],
    good: [
      importing('libs/runtime/adapters.ts', '#libs/log/segments/segment-log'),
      importing('libs/target/s3/uploads.ts', './sign.ts'),
      importing('libs/target/memory-target.ts', './memory-objects.ts'),
      importing('libs/target/s3/uploads.ts', '#libs/target/target'),
      importing('test/simulation/world.ts', '#libs/target/memory-target'),
    ],
  },
]
