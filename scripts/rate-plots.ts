// Writes docs/plots: rate, cap and latency of the standard scenarios of the controller (test/simulation/source-model.ts).
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RateSample, runSource, type SourceScenario, sourceScenarios } from '#test/simulation/source-model'
import { plotText } from './line-plot.ts'

const seed = 1
const MB = 1_000_000
const latencyMsTop = 600

function textOf(scenario: SourceScenario, samples: readonly RateSample[]): string {
  const line = (of: (sample: RateSample) => number): readonly (readonly [number, number])[] =>
    samples.map((sample) => [sample.minute, of(sample)])
  return plotText({
    title: `${scenario.name}: ${scenario.story}`,
    xLabel: 'minutes',
    xMax: scenario.minutes,
    panels: [
      {
        label: 'MB/s',
        top: 120,
        lines: [
          { name: 'cap', color: '#888888', isDashed: true, points: line(({ cap }) => cap / MB) },
          { name: 'rate', color: '#1f6fb2', points: line(({ rate }) => rate / MB) },
        ],
      },
      {
        label: 'others, % of source',
        top: 120,
        lines: [{ name: 'others', color: '#8a5a00', points: line(({ others }) => (others / scenario.capacity) * 100) }],
      },
      {
        label: 'read latency, ms',
        top: latencyMsTop,
        lines: [{ name: 'latency (half of the reads)', color: '#b03030', points: line(({ latencyMs }) => latencyMs) }],
      },
    ],
  })
}

const folder = join(import.meta.dirname, '../docs/plots')
mkdirSync(folder, { recursive: true })
for (const scenario of sourceScenarios) {
  const samples = runSource(scenario, seed)
  writeFileSync(join(folder, `rate-${scenario.name}.svg`), textOf(scenario, samples))
  const count = (action: RateSample['action']): number => samples.filter((sample) => sample.action === action).length
  console.log(`docs/plots/rate-${scenario.name}.svg: ${count('halved')} halved, ${count('raised')} raised`)
}
