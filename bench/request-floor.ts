// What 20,000 small files cost at least, against rclone in the same run: a bare loop over an HTTP client of Node (put, read
// back, hash, sign; bare-loop.ts) with no log, no state, no walk and no report.
//   RCLONE=/path/to/rclone node --conditions=source bench/request-floor.ts --rounds 3 [--factor 0.1]
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startS3Server } from '#test/support/s3-server'
import { type Contender, rclone, rcloneProgram } from './contenders.ts'
import { median, table } from './figures.ts'
import { measure } from './measure.ts'
import { makeSet } from './sets.ts'

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    factor: { type: 'string', default: '1' },
    folder: { type: 'string', default: '/dev/shm/waybill-bench' },
  },
})

function bareLoop(way: 'undici' | 'http'): Contender {
  const script = join(import.meta.dirname, 'bare-loop.ts')
  return {
    name: `loop over ${way}`,
    version: process.version,
    commands: (_rung, { source, bucket, endpoint }) => [
      {
        command: process.execPath,
        args: [
          '--conditions=source',
          '--disable-warning=ExperimentalWarning',
          script,
          way,
          source,
          endpoint.url,
          bucket,
        ],
        environment: { AWS_ACCESS_KEY_ID: endpoint.accessKeyId, AWS_SECRET_ACCESS_KEY: endpoint.secretAccessKey },
      },
    ],
  }
}

/** CPU seconds of one run from an empty server. */
async function costOf(contender: Contender, source: string): Promise<number> {
  const server = await startS3Server('versitygw', { parent: given.folder })
  const stateFolder = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
  try {
    await server.createBucket('bench')
    const { region, accessKeyId, secretAccessKey } = server
    const endpoint = { url: server.endpoint, region, accessKeyId, secretAccessKey }
    let cpuSeconds = 0
    for (const line of contender.commands('full', { source, bucket: 'bench', endpoint, stateFolder })) {
      const part = await measure(line)
      if (part.exitCode !== 0) throw new Error(`${contender.name} ended with ${part.exitCode}:\n${part.output}`)
      cpuSeconds += part.cpuSeconds
    }
    return cpuSeconds
  } finally {
    await server.stop()
    rmSync(stateFolder, { recursive: true, force: true })
  }
}

mkdirSync(given.folder, { recursive: true })
const set = makeSet('small', { parent: given.folder, factor: Number(given.factor) })
const contenders = [bareLoop('undici'), bareLoop('http'), rclone(rcloneProgram())]
const costs = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
for (let round = 1; round <= Number(given.rounds); round += 1) {
  for (const contender of contenders) {
    const cost = await costOf(contender, set.folder)
    costs.get(contender.name)?.push(cost)
    console.error(`round ${round} ${contender.name}: ${cost.toFixed(2)} CPU-s`)
  }
}
const peer = median(costs.get('rclone') ?? [])
const rows = [...costs].map(([name, list]) => {
  const cost = median(list)
  return [name, cost.toFixed(2), String(Math.round((cost / set.files) * 1e6)), (cost / peer).toFixed(2)]
})
console.log(table([['tool', 'CPU-s', 'us a file', 'CPU / rclone'], ...rows]))
