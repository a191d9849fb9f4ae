// A real S3 server on a free port in a temporary folder, for tests and benchmarks.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import {
  isInstalled,
  type S3ServerKind,
  type ServerPlace,
  s3ServerKinds,
  serverCommand,
} from '../../scripts/server-binaries.ts'

export interface S3Server {
  readonly kind: S3ServerKind
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly pid: number
  /** Where versitygw keeps BUCKET/KEY as plain files; null for MinIO. */
  readonly objectsFolder: string | null
  createBucket(name: string): Promise<void>
  stop(): Promise<void>
}

export interface S3ServerOptions {
  /** Parent of the data folder; default: the system's temporary folder. */
  readonly parent?: string
  readonly certificate?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
}

const region = 'us-east-1'
const startMsMax = 20_000

/** The kernel chooses; another process might take it before the server does, which then fails to start. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

async function untilAnswers(endpoint: string, child: ChildProcess, said: () => string): Promise<void> {
  const { protocol, hostname, port } = new URL(endpoint)
  const { connect } = await import('node:net')
  for (let waitedMs = 0; waitedMs < startMsMax; waitedMs += 50) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${said()}`)
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: hostname, port: Number(port) })
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await sleep(50)
  }
  throw new Error(`no answer at ${protocol}//${hostname}:${port} within ${startMsMax} ms: ${said()}`)
}

/** MinIO opens its port before it can serve, so the bucket is asked for until it exists. */
async function createBucket(client: S3Client, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: name }))
      return
    } catch (error) {
      if (attempt === 40) throw error
      await sleep(100)
    }
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

/** Rejects when the server is not installed or does not come up within 20 s. */
export async function startS3Server(kind: S3ServerKind, options: S3ServerOptions = {}): Promise<S3Server> {
  const folder = mkdtempSync(join(options.parent ?? tmpdir(), `waybill-${kind}-`))
  const port = await freePort()
  const accessKeyId = 'waybill-test'
  const secretAccessKey = 'waybill-test-secret'
  const certificate = options.certificate ?? null
  const place: ServerPlace = { folder, port, accessKeyId, secretAccessKey, certificate }
  const { command, args, environment, objectsFolder } = serverCommand(kind, place)
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (text: Buffer): void => {
    output = (output + text.toString()).slice(-4000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  // A test that fails before it stops the server must not leave it running.
  const killAtExit = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', killAtExit)
  const endpoint = `${certificate === null ? 'http' : 'https'}://127.0.0.1:${port}`
  const stop = async (): Promise<void> => {
    process.removeListener('exit', killAtExit)
    await endProcess(child)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await untilAnswers(endpoint, child, () => output)
  } catch (error) {
    await stop()
    throw error
  }
  const credentials = { accessKeyId, secretAccessKey }
  return {
    kind,
    endpoint,
    region,
    ...credentials,
    pid: child.pid ?? 0,
    objectsFolder,
    createBucket: async (name) => {
      const client = await adminClient(endpoint, credentials, options.certificate?.caFile ?? null)
      await createBucket(client, name)
      client.destroy()
    },
    stop,
  }
}

/** A plain client of the SDK: what a test uses to look at the server past the adapter. */
export async function adminClient(
  endpoint: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  caFile: string | null = null,
): Promise<S3Client> {
  const { Agent } = await import('node:https')
  const { readFileSync } = await import('node:fs')
  const tls = caFile === null ? {} : { requestHandler: { httpsAgent: new Agent({ ca: readFileSync(caFile) }) } }
  return new S3Client({ endpoint, region, forcePathStyle: true, credentials, ...tls })
}

/**
 * Runs `suite` once for each server. Where one is not installed a line says what was skipped; with CI=true it fails.
 */
export function withS3Servers(suite: (kind: S3ServerKind) => void): void {
  for (const kind of s3ServerKinds) {
    if (isInstalled(kind)) {
      suite(kind)
    } else if (process.env['CI'] === 'true') {
      test(`${kind} is installed`, () => {
        throw new Error(`${kind} is missing: node --conditions=source scripts/servers.ts install`)
      })
    } else {
      test(`against ${kind}`, { skip: `${kind} is not installed: scripts/servers.ts install` }, () => undefined)
    }
  }
}
