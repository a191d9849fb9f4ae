// A crowd at an api process of its own (a thousand readers of event streams, 200 requests a second) while a copy runs at its
// cap: what it costs, how long answers take, and that the copy does not feel it.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { withCluster } from '../support/cluster-campaign.ts'
import { cpuSecondsOf } from '../support/process-cost.ts'
import { startWaybill } from '../support/waybill-process.ts'

const rate = 60_000_000
const lossMax = 0.05

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const place = server.address()
      server.close(() => resolve(typeof place === 'object' && place !== null ? place.port : 0))
    })
  })
}

async function until(isThere: () => Promise<boolean>, msMax: number): Promise<void> {
  for (let waited = 0; !(await isThere().catch(() => false)); waited += 250) {
    if (waited > msMax) throw new Error('it did not come')
    await sleep(250)
  }
}

interface Crowd {
  readonly opened: number
  readonly lost: number
  readonly events: number
  readonly requests: number
  readonly errors: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuSeconds: number
}

/** Calls `onOpen` once every stream is open. */
function startCrowd(words: readonly string[], onOpen: () => void): Promise<Crowd> {
  const program = join(import.meta.dirname, '../support/api-readers.ts')
  const child = spawn(process.execPath, ['--conditions=source', program, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output === '' && text.startsWith('open')) onOpen()
    output += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      const line = output.trim().split('\n').at(-1) ?? ''
      if (code === 0) resolve(JSON.parse(line) as Crowd)
      else reject(new Error(`the crowd ended with ${code}`))
    })
  })
}

await runCampaign('readers', async (campaign: Campaign) => {
  const seconds = campaign.isQuick ? 10 : 60
  const [readers, perSecond] = campaign.isQuick ? [100, 50] : [1_000, 200]
  const counts = { coordinator: 1, worker: 2, verifier: 1 }
  await withCluster(campaign, { bytes: rate * (seconds * 2 + 40), counts }, async ({ cluster }) => {
    const port = await freePort()
    const address = `http://127.0.0.1:${port}`
    const home = campaign.folder
    const words = [
      'serve',
      '--config',
      cluster.configFile,
      '--roles',
      'api',
      '--instance',
      'a1',
      '--state-dir',
      join(home, 'a1'),
    ]
    const api = startWaybill(words, { home, environment: { WAYBILL_API_LISTEN: `127.0.0.1:${port}` } })
    const read = async (): Promise<number> => {
      const shown = (await (await fetch(`${address}/migrations/watched`)).json()) as {
        readonly source_bytes_read: number
      }
      return shown.source_bytes_read
    }
    await until(async () => (await fetch(`${address}/readyz`)).ok, 60_000)
    await cluster.submit('watched', ['--throughput', `${rate / 1_000_000}MB/s`])
    await until(async () => (await read()) > rate * 5, 120_000)
    const pace = async (): Promise<number> => {
      const [before, at] = [await read(), performance.now()]
      await sleep(seconds * 1000)
      return ((await read()) - before) / ((performance.now() - at) / 1000)
    }
    const quiet = await pace()
    let busy: Promise<number> = Promise.resolve(0)
    let cpuBefore = 0
    const pid = api.child.pid ?? 0
    const crowd = await startCrowd([address, 'watched', ...[readers, perSecond, seconds].map(String)], () => {
      cpuBefore = cpuSecondsOf(pid)
      busy = pace()
    })
    const cpu = cpuSecondsOf(pid) - cpuBefore
    const loss = 1 - (await busy) / quiet
    campaign.promise('every stream stays open and every request is answered', {
      holds: crowd.opened === readers && crowd.lost === 0 && crowd.errors === 0,
      figures: `${crowd.opened} streams, ${crowd.events} events delivered, ${crowd.requests} requests, ${crowd.errors} errors, ${crowd.lost} lost; p50 ${crowd.p50Ms.toFixed(1)} ms, p99 ${crowd.p99Ms.toFixed(1)} ms`,
    })
    campaign.promise(`the copy loses at most ${lossMax * 100} % of its rate`, {
      holds: loss <= lossMax,
      figures: `${(quiet / 1e6).toFixed(1)} MB/s alone, ${((await busy) / 1e6).toFixed(1)} MB/s with the crowd (${(loss * 100).toFixed(1)} %); processor: api ${cpu.toFixed(1)} s, crowd ${crowd.cpuSeconds.toFixed(1)} s, in ${seconds} s`,
    })
    api.child.kill('SIGTERM')
    await api.ended
  })
})
