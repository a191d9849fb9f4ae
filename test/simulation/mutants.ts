// Deliberate mistakes in a copy of the program: the simulation must catch each of them, or it proves nothing.
// `mutants.ts [--only WORD] [--seeds N]`
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
}

const mutants: readonly Mutant[] = [
  {
    name: 'what cannot be seen counts as gone',
    file: 'services/coordinator/out-of-sight.ts',
    from: 'const hidden = blind !== null && isBehind(listed.name, blind) ? blind : null',
    to: 'const hidden = null as Blind | null',
  },
  {
    name: 'the claim is ignored',
    file: 'libs/domain/fold-chunk.ts',
    from: 'return row !== undefined && row.claim === event.claim && row.epoch === event.epoch ? row : null',
    to: 'return row ?? null',
  },
  {
    name: 'the epoch alone is the fence',
    file: 'libs/domain/fold-chunk.ts',
    from: 'row.claim === event.claim && row.epoch === event.epoch',
    to: 'row.epoch === event.epoch',
  },
  {
    name: 'a late claim is accepted',
    file: 'libs/domain/fold-job.ts',
    from: 'if (event.epoch !== (before?.epoch ?? 0) + 1) return stale',
    to: 'if (event.epoch < (before?.epoch ?? 0)) return stale',
  },
  {
    name: 'leases outlive the claim',
    file: 'libs/domain/fold-job.ts',
    from: 'if (before !== undefined) endLeases(rows, before, event.cause)',
    to: '',
  },
  {
    name: 'an old attempt is accepted',
    file: 'libs/domain/chunk-life.ts',
    from: 'event.attempt === life.attempt && event.epoch === life.epoch',
    to: 'event.epoch === life.epoch',
  },
  {
    name: 'positions are committed before the rows',
    file: 'libs/projection/projection.ts',
    from: 'await reader.commit(encoded, () => store.commit(changesOf(encoded, next)))',
    to: 'await store.commit(changesOf([], next)); await reader.commit(encoded, () => store.commit(changesOf(encoded, next)))',
  },
  {
    name: 'an event counts as folded before it is in the store',
    file: 'libs/projection/projection.ts',
    from: 'await reader.commit(encoded, () => store.commit(changesOf(encoded, next)))',
    to: 'positions = next; await reader.commit(encoded, () => store.commit(changesOf(encoded, next)))',
  },
  {
    name: 'a task is decided again on state that is older than its events',
    file: 'libs/runtime/role.ts',
    from: 'if (!before.has(role.keyOf(task))) startTask',
    to: 'startTask',
  },
  {
    name: 'an upload is verified before its seal',
    file: 'libs/domain/row-effects.ts',
    from: '  row.sealed !== null &&\n  row.sealed.seal !== null &&\n  uploadOutcome',
    to: '  row.transferred > 0 &&\n  uploadOutcome',
  },
  {
    name: 'a mismatch is swallowed',
    file: 'libs/transfer/read-back.ts',
    from: 'return reading.code === null && reading.digest.equals(moved.digest)',
    to: 'return reading.code === null',
  },
  {
    name: 'a verified proof wins over a failed one',
    file: 'libs/domain/fold-chunk.ts',
    from: 'disproved.length > 0 && before.disproved.length === 0',
    to: 'disproved.length === 0 && before.disproved.length > 0',
  },
  {
    name: 'a short read is taken for the end',
    file: 'libs/transfer/read-source.ts',
    from: '() => reader.read(buffer, extent.offset, signal)',
    to: '() => reader.read(buffer, extent.offset, signal).catch(() => undefined)',
  },
  {
    name: 'the identity is not compared after the last byte',
    file: 'libs/transfer/read-source.ts',
    from: 'await reader.confirm()',
    to: '',
  },
  {
    name: 'a superseded extent is counted',
    file: 'libs/domain/fold-listing.ts',
    from: 'setChunk(rows, job, place.chunk, before, { ...before, superseded })',
    to: '',
  },
  {
    name: 'a pause is ignored',
    file: 'libs/domain/fold-job.ts',
    from: "return job.control === 'running' ? controlled(job, 'paused', event, event.code) : job",
    to: 'return job',
  },
  {
    name: 'a command that comes twice counts twice',
    file: 'libs/domain/fold-job.ts',
    from: 'if (seen !== undefined && event.sequence <= seen.sequence) return known',
    to: '',
  },
  {
    name: 'a comparison page that comes twice starts a new comparison',
    file: 'libs/domain/fold-listing.ts',
    from: 'if (event.page !== pages) return event.page < pages ? known : stale',
    to: '',
  },
  {
    name: 'a repair copies the bad range too',
    file: 'services/coordinator/planning.ts',
    from: 'if (isBad.has(part)) return null',
    to: 'void isBad',
  },
  {
    name: 'a stranger is overwritten',
    file: 'libs/transfer/found-object.ts',
    from: "const mayReplace = isOurs || wanted.overwrite !== 'never'",
    to: 'const mayReplace = true',
  },
  {
    name: 'a refusal after the seal takes the transfer away',
    file: 'libs/domain/fold-chunk.ts',
    from: 'setChunk(rows, event.job, event.chunk, before, { ...after, code: event.code })',
    to: "setChunk(rows, event.job, event.chunk, before, { ...after, code: event.code, transferredAt: -1, tag: '' })",
  },
  {
    name: 'unfinished uploads are left behind',
    file: 'services/coordinator/completion.ts',
    from: 'const swept = await sweepUploads(context, false, signal)',
    to: 'const swept = 0',
  },
]

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, seeds: { type: 'string', default: '250' } },
})

const root = join(import.meta.dirname, '..', '..')
const copied = ['libs', 'schemas', 'services', 'test/support', 'test/simulation', 'package.json', 'tsconfig.json']

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Puts the mistake in, runs seeds until one shows a violation, and takes it out again. */
function tryMutant(copy: string, mutant: Mutant): boolean {
  const path = join(copy, mutant.file)
  const right = readFileSync(path, 'utf8')
  if (right.split(mutant.from).length !== 2) {
    say(`${mutant.name}: ${mutant.file} does not hold the text to change exactly once`)
    return false
  }
  writeFileSync(
    path,
    right.replace(mutant.from, () => mutant.to),
  )
  const program = ['--conditions=source', join(copy, 'test/simulation/run.ts'), '--first', '--seeds', values.seeds]
  const { stdout, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8', maxBuffer: 2 ** 28 })
  writeFileSync(path, right)
  const summary = /^(\d+) seeds, .*?(\d+) seeds with violations/m.exec(stdout)
  const first = /^seed (\d+): (.{0,110})/m.exec(stdout)
  if (summary === null || first === null) {
    say(`${mutant.name}: NOT CAUGHT in ${values.seeds} seeds ${stderr.slice(0, 300)}`)
    return false
  }
  say(`${mutant.name}: caught after ${first[1]} seeds: ${first[2]}`)
  return true
}

const copy = mkdtempSync(join(tmpdir(), 'waybill-mutants-'))
try {
  for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const chosen = mutants.filter(({ name }) => name.includes(values.only))
  const caught = chosen.filter((mutant) => tryMutant(copy, mutant)).length
  say(`${caught} of ${chosen.length} mutants caught`)
  process.exitCode = caught === chosen.length ? 0 : 1
} finally {
  rmSync(copy, { recursive: true, force: true })
}
