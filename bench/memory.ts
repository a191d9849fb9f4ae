// Memory does not grow with what is moved: `node --conditions=source bench/memory.ts [--sizes 1,16] [--target folder,s3]`.
//
// The source is sparse files of 256 MiB; the target is on disk below --parent (a folder, or the data of a versitygw server)
// and is emptied after each run, so that as much must be free there as the largest size. Default memory, all bytes read
// back. The figure is the peak of the resident memory of waybill's process tree. Exit code 1 when that of the last size
// is more than 1.1 times that of the first one.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startS3Server } from '#test/support/s3-server'
import { mebibytes, median, table } from './figures.ts'
import { type Measurement, measure } from './measure.ts'

const { values: given } = parseArgs({
  options: {
    /** GiB, the smallest first. */
    sizes: { type: 'string', default: '1,16' },
    target: { type: 'string', default: 'folder,s3' },
    rounds: { type: 'string', default: '3' },
    parent: { type: 'string', default: tmpdir() },
  },
})

const GiB = 1024 ** 3
const fileBytes = GiB / 4
const ratioMax = 1.1
const program = join(import.meta.dirname, '../services/cli/main.ts')

function makeSource(folder: string, bytes: number): void {
  mkdirSync(folder)
  for (let n = 0; n < bytes / fileBytes; n += 1) {
    const file = openSync(join(folder, `${n}`.padStart(4, '0')), 'w')
    ftruncateSync(file, fileBytes)
    closeSync(file)
  }
}

async function migrate(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<Measurement> {
  const node = ['--conditions=source', '--disable-warning=ExperimentalWarning', program]
  const args = [...node, 'migrate', ...words, '--progress', 'none', '-q']
  const run = await measure({ command: process.execPath, args, environment })
  if (run.exitCode !== 0) throw new Error(`exit ${run.exitCode}: ${run.output}`)
  return run
}

async function toFolder(parent: string, source: string): Promise<Measurement> {
  const [target, state] = [join(parent, 'target'), join(parent, 'state')]
  try {
    return await migrate([source, target, '--state-dir', state], {})
  } finally {
    for (const folder of [target, state]) rmSync(folder, { recursive: true, force: true })
  }
}

async function toBucket(parent: string, source: string): Promise<Measurement> {
  const state = join(parent, 'state')
  const server = await startS3Server('versitygw', { parent })
  try {
    await server.createBucket('bucket')
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    const place = ['--target-endpoint', endpoint, '--target-region', region, '--target-path-style']
    return await migrate([source, 's3://bucket/p', ...place, '--state-dir', state], {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    })
  } finally {
    await server.stop()
    rmSync(state, { recursive: true, force: true })
  }
}

const targets: Readonly<Record<string, typeof toFolder>> = { folder: toFolder, s3: toBucket }

/** Peak memory of each size, in bytes: the median over the rounds. */
async function peaksOf(name: string, sizes: readonly number[]): Promise<readonly number[]> {
  const run = targets[name]
  if (run === undefined) throw new Error(`${name} is none of ${Object.keys(targets).join(', ')}`)
  const peaks: number[] = []
  for (const size of sizes) {
    const folder = mkdtempSync(join(given.parent, 'waybill-memory-'))
    try {
      const source = join(folder, 'source')
      makeSource(source, size * GiB)
      const found: number[] = []
      for (let round = 0; round < Number(given.rounds); round += 1) {
        const { peakRssBytes, cpuSeconds, wallSeconds } = await run(folder, source)
        found.push(peakRssBytes)
        const cost = `${cpuSeconds.toFixed(1)} s of CPU, ${wallSeconds.toFixed(1)} s`
        console.error(`${name}, ${size} GiB: ${mebibytes(peakRssBytes)} at most, ${cost}`)
      }
      peaks.push(median(found))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return peaks
}

const sizes = given.sizes.split(',').map(Number)
const rows = [['target', ...sizes.map((size) => `peak at ${size} GiB`), 'ratio']]
let isOver = false
for (const name of given.target.split(',')) {
  const peaks = await peaksOf(name, sizes)
  const ratio = (peaks.at(-1) ?? 0) / (peaks[0] ?? 1)
  isOver ||= ratio > ratioMax
  rows.push([name, ...peaks.map(mebibytes), ratio.toFixed(2)])
}
console.log(table(rows))
process.exitCode = isOver ? 1 : 0
