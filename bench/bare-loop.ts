// The least that a small file costs in Node: every file is read, hashed, signed and put, then every object is read back and
// hashed, sixteen at a time, and nothing else is done. Started by request-floor.ts.
//   node --conditions=source bench/bare-loop.ts WAY SOURCE ENDPOINT BUCKET
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { createSigner } from '#libs/target/s3/sign'
import { createConnector } from '#libs/target/s3/sockets'
import { filesBelow } from '#test/support/tree-files'

interface Asked {
  readonly method: 'GET' | 'PUT'
  readonly path: string
  readonly headers: string[]
  readonly body: Buffer | null
}

/** Digest of the answer's body. Rejects on any status but 200. */
type Ask = (asked: Asked) => Promise<Buffer>

const atOnce = 16
const nothingsHash = hash('sha256', '', 'buffer')

class UndiciAnswer implements Dispatcher.DispatchHandler {
  readonly #resolve: (digest: Buffer) => void
  readonly #reject: (error: Error) => void
  #status = 0
  #digest = nothingsHash

  constructor(resolve: (digest: Buffer) => void, reject: (error: Error) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  onConnect(): void {
    // Nothing is ever withdrawn.
  }

  onHeaders(status: number): boolean {
    this.#status = status
    return true
  }

  onData(bytes: Buffer): boolean {
    this.#digest = hash('sha256', bytes, 'buffer')
    return true
  }

  onComplete(): void {
    if (this.#status === 200) this.#resolve(this.#digest)
    else this.#reject(new Error(`status ${this.#status}`))
  }

  onError(error: Error): void {
    this.#reject(error)
  }
}

function undiciAsk(origin: string): Ask {
  const connect = createConnector({ ca: undefined, timeoutMs: 10_000 })
  const pool = new Pool(origin, { connections: atOnce, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, connect })
  return (asked) =>
    new Promise((resolve, reject) => {
      pool.dispatch({ origin, reset: false, ...asked }, new UndiciAnswer(resolve, reject))
    })
}

function httpAsk(origin: string): Ask {
  const agent = new http.Agent({ keepAlive: true, maxSockets: atOnce })
  const { hostname, port } = new URL(origin)
  return ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const counted = body === null ? headers : [...headers, 'content-length', String(body.length)]
      const request = http.request({ agent, hostname, port, method, path, headers: counted }, (answer) => {
        let digest = nothingsHash
        answer.on('data', (bytes: Buffer) => {
          digest = hash('sha256', bytes, 'buffer')
        })
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(digest)
          else reject(new Error(`status ${answer.statusCode}`))
        })
      })
      request.on('error', reject)
      request.end(body ?? undefined)
    })
}

async function forEach(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next; index < count; index = next) {
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

const [way = '', source = '', endpoint = '', bucket = ''] = process.argv.slice(2)
const ways: Readonly<Record<string, (origin: string) => Ask>> = { undici: undiciAsk, http: httpAsk }
const ask = (ways[way] ?? undiciAsk)(endpoint)
const identity = {
  accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
  secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
}
const signer = createSigner({ region: 'us-east-1', service: 's3' })
const { host } = new URL(endpoint)
const paths = filesBelow(source, { skips: [] })
const digests: Buffer[] = []

function signed(method: Asked['method'], index: number, digest: Buffer, more: readonly string[]): Omit<Asked, 'body'> {
  const path = `/${bucket}/p/${index}`
  const payloadHash = digest.toString('hex')
  const headers = ['host', host, 'x-amz-content-sha256', payloadHash, ...more]
  return { method, path, headers: signer.sign({ method, path, query: '', headers, payloadHash }, identity, Date.now()) }
}

await forEach(paths.length, async (index) => {
  const body = readFileSync(paths[index] ?? '')
  const digest = hash('sha256', body, 'buffer')
  digests[index] = digest
  const more = ['if-none-match', '*', 'x-amz-meta-mtime', '1', 'x-amz-checksum-sha256', digest.toString('base64')]
  await ask({ ...signed('PUT', index, digest, more), body })
})
await forEach(paths.length, async (index) => {
  const digest = await ask({ ...signed('GET', index, nothingsHash, []), body: null })
  // A large object comes in pieces, and only the last of them was hashed: the set of the comparison has none.
  if (digests[index]?.equals(digest) !== true) throw new Error(`object ${index} differs`)
})
process.exit(0)
