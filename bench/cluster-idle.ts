// What `waybill serve` processes cost while there is nothing to do: one of each role over a real broker, each for itself.
//
//   node --conditions=source bench/cluster-idle.ts [--seconds 60] [--folder DIR]
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { cpuSecondsOf } from '#test/support/process-cost'
import { startServeCluster } from '#test/support/serve-cluster'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, folder: { type: 'string', default: '/tmp' } },
})
/** Compiling and the first assignment are no waiting. */
const settleMs = 30_000

const place = mkdtempSync(join(resolve(values.folder), 'waybill-idle-'))
try {
  for (const name of ['from', 'to']) mkdirSync(join(place, name))
  const cluster = await startServeCluster({
    folder: join(place, 'cluster'),
    counts: { coordinator: 1, worker: 1, verifier: 1 },
    source: [`location = ${JSON.stringify(join(place, 'from'))}`],
    target: [`location = ${JSON.stringify(join(place, 'to'))}`],
  })
  try {
    await sleep(settleMs)
    const costs = (): number[] => cluster.members.map((member) => cpuSecondsOf(member.pid() ?? 0))
    const before = costs()
    await sleep(Number(values.seconds) * 1000)
    for (const [index, spent] of costs().entries()) {
      const share = (spent - (before[index] ?? 0)) / Number(values.seconds)
      console.log(`${cluster.members[index]?.role}: ${(share * 100).toFixed(2)} % of a core over ${values.seconds} s`)
    }
  } finally {
    await cluster.stop()
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
