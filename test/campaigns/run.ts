// Runs campaigns in turn: `node --conditions=source test/campaigns/run.ts [NAME...] [--quick] [--seed N] [--parent FOLDER]`.
// Each campaign prints its own lines as it goes; a table of all promises comes at the end. Exit code 1 when one fails.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { resultMarks } from '../support/campaign.ts'

interface CampaignEnd {
  readonly name: string
  readonly code: number
  readonly seconds: number
  readonly held: number
  readonly failures: readonly string[]
}

const ending = '.campaign.ts'
const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(ending))
  .map((file) => file.slice(0, -ending.length))
  .sort()

function runOne(name: string, options: readonly string[]): Promise<CampaignEnd> {
  const startedAt = performance.now()
  const program = join(import.meta.dirname, `${name}${ending}`)
  const node = ['--conditions=source', '--disable-warning=ExperimentalWarning', program]
  const child = spawn(process.execPath, [...node, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text)
    output += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      const lines = output.split('\n')
      const seconds = (performance.now() - startedAt) / 1000
      const held = lines.filter((line) => line.startsWith(`${resultMarks.holds} `)).length
      const failures = lines.filter((line) => line.startsWith(`${resultMarks.fails} `))
      resolve({ name, code: code ?? 1, seconds, held, failures })
    })
  })
}

function row(name: string, held: string, failed: string, seconds: string): string {
  return `${name.padEnd(10)}${held.padStart(8)}${failed.padStart(8)}${seconds.padStart(10)}`
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, seed: { type: 'string' }, parent: { type: 'string' } },
  })
  const strange = positionals.filter((name) => !known.includes(name))
  if (strange.length > 0) {
    console.error(`no campaign is called ${strange.join(', ')}; there are: ${known.join(', ')}`)
    return 2
  }
  const options = [
    ...(values.quick ? ['--quick'] : []),
    ...(values.seed === undefined ? [] : ['--seed', values.seed]),
    ...(values.parent === undefined ? [] : ['--parent', values.parent]),
  ]
  const ends: CampaignEnd[] = []
  for (const name of positionals.length > 0 ? positionals : known) ends.push(await runOne(name, options))
  console.log(`\n${row('campaign', 'held', 'failed', 'seconds')}`)
  for (const { name, held, failures, seconds, code } of ends) {
    const failed = failures.length === 0 && code !== 0 ? 'died' : String(failures.length)
    console.log(row(name, String(held), failed, seconds.toFixed(1)))
  }
  for (const { failures } of ends) for (const line of failures) console.log(line)
  return ends.every(({ code }) => code === 0) ? 0 : 1
}

process.exitCode = await main()
