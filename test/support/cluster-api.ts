// An api process of its own beside a cluster, on a loopback port, that can be killed and started again.
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServeCluster } from './serve-cluster.ts'
import { startWaybill, type WaybillProcess } from './waybill-process.ts'

const readyMsMax = 90_000

/** A port nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const place = server.address()
      server.close(() => resolve(typeof place === 'object' && place !== null ? place.port : 0))
    })
  })
}

export interface ClusterApi {
  readonly address: string
  /** Resolves once `/readyz` answers 200. */
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** The answer's body; throws unless it is 2xx. */
  call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>
}

async function isReady(address: string): Promise<boolean> {
  try {
    return (await fetch(`${address}/readyz`)).ok
  } catch {
    // Nobody listens yet.
    return false
  }
}

/** Not started yet. What it writes stands below `folder`. */
export async function clusterApi(cluster: ServeCluster, folder: string): Promise<ClusterApi> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  let running: WaybillProcess | null = null
  return {
    address,
    start: async () => {
      const words = ['serve', '--config', cluster.configFile, '--roles', 'api', '--instance', 'a1']
      const environment = { WAYBILL_API_LISTEN: `127.0.0.1:${port}` }
      running = startWaybill([...words, '--state-dir', join(folder, 'a1')], { home: folder, environment })
      for (let waited = 0; !(await isReady(address)); waited += 250) {
        if (running.child.exitCode !== null) throw new Error(`api ended: ${(await running.ended).notices}`)
        if (waited > readyMsMax) throw new Error('api is not ready')
        await sleep(250)
      }
    },
    kill: async () => {
      running?.child.kill('SIGKILL')
      await running?.ended
      running = null
    },
    call: async (method, path, body) => {
      const headers = { 'content-type': 'application/json' }
      const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) }
      const answer = await fetch(`${address}${path}`, { method, ...sent })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return JSON.parse(text) as Readonly<Record<string, unknown>>
    },
  }
}
