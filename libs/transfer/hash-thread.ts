// Runs in a worker thread of hash-pool.ts: hashes ranges of shared memory.
import { hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

export interface HashTask {
  readonly id: number
  readonly region: SharedArrayBuffer
  readonly start: number
  readonly length: number
}

export interface HashAnswer {
  readonly id: number
  readonly digest: Uint8Array
}

parentPort?.on('message', ({ id, region, start, length }: HashTask) => {
  const answer: HashAnswer = { id, digest: hash('sha256', Buffer.from(region, start, length), 'buffer') }
  parentPort?.postMessage(answer)
})
