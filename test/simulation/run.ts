// The campaign: `run.ts --seeds 500 [--from N] [--first]`, or one seed again: `run.ts --seed N [--trace]`. `--first` ends at
// the first seed with a violation, `--small` makes worlds of the quick suite.
import { parseArgs } from 'node:util'
import { type SeedResult, simulate } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
    first: { type: 'boolean', default: false },
  },
})

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function sayResult(result: SeedResult): void {
  for (const line of result.trace) say(line)
  for (const { invariant, text } of result.violations) say(`seed ${result.seed}: ${invariant} ${text}`)
}

const from = Number(values.seed ?? values.from)
const count = values.seed === undefined ? Number(values.seeds) : 1
const kinds = new Map<string, number>()
const broken: number[] = []
let faults = 0
let events = 0
let processes = 0
let virtualMs = 0
for (let seed = from; seed < from + count; seed += 1) {
  const result = await simulate(seed, { isTraced: values.trace, isSmall: values.small })
  if (result.violations.length > 0) broken.push(seed)
  sayResult(result)
  for (const [kind, times] of result.strikes) {
    kinds.set(kind, (kinds.get(kind) ?? 0) + times)
    faults += times
  }
  events += result.events
  processes += result.processes
  virtualMs += result.virtualMs
  if (values.first && broken.length > 0) break
  if (values.seed !== undefined) {
    say(`seed ${seed}: ${result.events} events, ${result.processes} processes, ${result.passes} passes`)
    say(`history ${result.history}`)
  }
}
const hours = (virtualMs / 3_600_000).toFixed(1)
const byKind = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, times]) => `${kind} ${times}`)
say(
  `${count} seeds, ${events} events, ${processes} processes, ${hours} virtual hours; ` +
    `${faults} faults (${(faults / count).toFixed(1)} a seed): ${byKind.join(', ')}; ` +
    `${broken.length} seeds with violations${broken.length === 0 ? '' : `: ${broken.slice(0, 40).join(' ')}`}`,
)
process.exitCode = broken.length === 0 ? 0 : 1
