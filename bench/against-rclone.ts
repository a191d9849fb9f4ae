// Measures waybill against rclone on one S3 server, in turns: `npm run bench -- --set big --factor 0.25 --rung full`.
//
// The server is versitygw with its data on tmpfs, emptied before each run; the source is on tmpfs and read once before;
// waybill's state is on a disk. Processor time is that of the client alone. Figures are medians over the rounds.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startS3Server } from '#test/support/s3-server'
import { filesBelow } from '#test/support/tree-files'
import { type Contender, type Rung, rclone, rcloneProgram, rungs, waybill } from './contenders.ts'
import { mebibytes, median, table } from './figures.ts'
import { type Measurement, measure } from './measure.ts'
import { type FileSet, makeSet, type SetName, setNames } from './sets.ts'

const { values: given } = parseArgs({
  options: {
    set: { type: 'string', default: setNames.join(',') },
    rung: { type: 'string', default: 'full' },
    rounds: { type: 'string', default: '3' },
    factor: { type: 'string', default: '1' },
    /** Holds the sets and the server's data. */
    folder: { type: 'string', default: '/dev/shm/waybill-bench' },
    program: { type: 'string' },
    json: { type: 'string' },
  },
})

function chosen<T extends string>(list: string, known: readonly T[]): readonly T[] {
  return list.split(',').map((word) => {
    const found = known.find((one) => one === word)
    if (found === undefined) throw new Error(`${word} is none of ${known.join(', ')}`)
    return found
  })
}

interface Cost {
  readonly cpuSeconds: number
  readonly wallSeconds: number
  readonly peakRssBytes: number
}

function sumOf(parts: readonly Measurement[]): Cost {
  return {
    cpuSeconds: parts.reduce((sum, part) => sum + part.cpuSeconds, 0),
    wallSeconds: parts.reduce((sum, part) => sum + part.wallSeconds, 0),
    peakRssBytes: Math.max(...parts.map((part) => part.peakRssBytes)),
  }
}

/** One run from an empty server to the last command's end. Throws when a command fails: there is no partial result. */
async function runOnce(contender: Contender, rung: Rung, set: FileSet): Promise<Cost> {
  const server = await startS3Server('versitygw', { parent: given.folder })
  const stateFolder = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
  try {
    await server.createBucket('bench')
    const { region, accessKeyId, secretAccessKey } = server
    const endpoint = { url: server.endpoint, region, accessKeyId, secretAccessKey }
    const parts: Measurement[] = []
    for (const line of contender.commands(rung, { source: set.folder, bucket: 'bench', endpoint, stateFolder })) {
      const part = await measure(line)
      if (part.exitCode !== 0) throw new Error(`${contender.name} ended with ${part.exitCode}:\n${part.output}`)
      parts.push(part)
    }
    return sumOf(parts)
  } finally {
    await server.stop()
    rmSync(stateFolder, { recursive: true, force: true })
  }
}

interface Result {
  readonly set: FileSet
  readonly rung: Rung
  readonly costs: ReadonlyMap<string, readonly Cost[]>
}

async function compare(set: FileSet, rung: Rung, contenders: readonly Contender[], rounds: number): Promise<Result> {
  const costs = new Map<string, Cost[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders) {
      const cost = await runOnce(contender, rung, set)
      costs.get(contender.name)?.push(cost)
      const { cpuSeconds, wallSeconds, peakRssBytes } = cost
      const figures = `${cpuSeconds.toFixed(2)} CPU-s, ${wallSeconds.toFixed(2)} s, ${mebibytes(peakRssBytes)}`
      console.error(`${set.name} ${rung} round ${round} ${contender.name}: ${figures}`)
    }
  }
  return { set, rung, costs }
}

function medianCost(costs: readonly Cost[]): Cost {
  return {
    cpuSeconds: median(costs.map((cost) => cost.cpuSeconds)),
    wallSeconds: median(costs.map((cost) => cost.wallSeconds)),
    peakRssBytes: median(costs.map((cost) => cost.peakRssBytes)),
  }
}

function rowsOf({ set, rung, costs }: Result): readonly (readonly string[])[] {
  const medians = [...costs].map(([name, list]) => ({ name, cost: medianCost(list) }))
  const peer = medians.find(({ name }) => name === 'rclone')?.cost
  return medians.map(({ name, cost }) => [
    `${set.name} (${set.files} files, ${mebibytes(set.bytes)})`,
    rung,
    name,
    cost.cpuSeconds.toFixed(2),
    cost.wallSeconds.toFixed(2),
    mebibytes(cost.peakRssBytes),
    peer === undefined ? '' : (cost.cpuSeconds / peer.cpuSeconds).toFixed(2),
    peer === undefined ? '' : (cost.wallSeconds / peer.wallSeconds).toFixed(2),
  ])
}

async function main(): Promise<void> {
  const rounds = Number(given.rounds)
  const contenders = [waybill(given.program), rclone(rcloneProgram())]
  mkdirSync(given.folder, { recursive: true })
  const results: Result[] = []
  for (const name of chosen<SetName>(given.set, setNames)) {
    const set = makeSet(name, { parent: given.folder, factor: Number(given.factor) })
    for (const path of filesBelow(set.folder, { skips: [] })) readFileSync(path)
    for (const rung of chosen<Rung>(given.rung, rungs)) results.push(await compare(set, rung, contenders, rounds))
  }
  const head = ['set', 'rung', 'tool', 'CPU-s', 'wall s', 'peak RSS', 'CPU / rclone', 'wall / rclone']
  const versions = contenders.map(({ name, version }) => (version.startsWith(name) ? version : `${name} ${version}`))
  console.log(`${versions.join(', ')}, Node ${process.version}, versitygw over http, medians of ${rounds} rounds`)
  console.log(table([head, ...results.flatMap(rowsOf)]))
  if (given.json !== undefined) {
    const plain = results.map(({ set, rung, costs }) => ({ set, rung, costs: Object.fromEntries(costs) }))
    writeFileSync(given.json, `${JSON.stringify({ versions, node: process.version, results: plain }, undefined, 2)}\n`)
  }
}

await main()
