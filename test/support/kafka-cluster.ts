// A real Kafka broker on free ports in a temporary folder. It can be killed, frozen and started again with its records.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import {
  formatKafka,
  isKafkaInstalled,
  type KafkaPlace,
  kafkaCommand,
  readyLine,
  type ScramUser,
} from '../../scripts/kafka-server.ts'
import { freePort } from './s3-server.ts'

export interface KafkaCluster {
  /** `host:port`, as clients take them. */
  readonly brokers: readonly string[]
  /** Where the broker keeps its segment files: `TOPIC-PARTITION/`. */
  readonly logFolder: string
  /** How long the last start took. */
  readonly startMs: () => number
  /** SIGKILL: nothing is flushed, connections break. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT: connections stay, nothing is answered. */
  freeze(): void
  thaw(): void
  /** Starts it again in the same place. */
  start(): Promise<void>
  /** Ends the broker and removes its folder. */
  stop(): Promise<void>
}

export interface KafkaClusterOptions {
  readonly protocol?: KafkaPlace['protocol']
  readonly settings?: KafkaPlace['settings']
  /** Passwords that the cluster keeps itself. */
  readonly scramUsers?: readonly ScramUser[]
}

/** After a kill the broker looks through its segments, on a busy machine half a minute. */
const startMsMax = 90_000

interface Broker {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
}

async function startBroker(place: KafkaPlace): Promise<Broker> {
  const { command, args } = kafkaCommand(place)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  let output = ''
  const isReady = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${startMsMax} ms`)), startMsMax)
    const look = (text: Buffer): void => {
      output = (output + text.toString()).slice(-8000)
      if (output.includes(readyLine)) resolve()
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)))
    child.once('exit', () => clearTimeout(timer))
    timer.unref()
  })
  try {
    await isReady
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`${String(error)}: ${output}`, { cause: error })
  }
  return { child, ended }
}

/** Rejects when the broker is not ready within 90 s. */
export async function startKafkaCluster(options: KafkaClusterOptions = {}): Promise<KafkaCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-kafka-'))
  const [port, controllerPort] = [await freePort(), await freePort()]
  const place = {
    folder,
    port,
    controllerPort,
    protocol: options.protocol ?? 'PLAINTEXT',
    settings: options.settings ?? {},
  }
  let broker: Broker | null = null
  let startMs = 0
  // A test that fails before it stops the broker must not leave it running.
  const killAtExit = (): void => {
    broker?.child.kill('SIGKILL')
  }
  process.once('exit', killAtExit)
  const start = async (): Promise<void> => {
    const startedAt = performance.now()
    broker = await startBroker(place)
    startMs = performance.now() - startedAt
  }
  const kill = async (): Promise<void> => {
    broker?.child.kill('SIGKILL')
    await broker?.ended
    broker = null
  }
  const stop = async (): Promise<void> => {
    await kill()
    process.removeListener('exit', killAtExit)
    rmSync(folder, { recursive: true, force: true })
  }
  const { scramUsers = [] } = options
  try {
    if (scramUsers.length > 0) await formatKafka(place, scramUsers)
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    brokers: [`127.0.0.1:${port}`],
    logFolder: join(folder, 'log'),
    startMs: () => startMs,
    kill,
    freeze: () => broker?.child.kill('SIGSTOP'),
    thaw: () => broker?.child.kill('SIGCONT'),
    start,
    stop,
  }
}

/** Runs `suite` where Kafka is installed. Elsewhere a line says what was skipped; with CI=true it fails. */
export function withKafka(suite: () => void): void {
  const hint =
    'Kafka is not installed: node --conditions=source scripts/servers.ts install kafka (needs Java and Maven)'
  if (isKafkaInstalled()) {
    suite()
  } else if (process.env['CI'] === 'true') {
    test('Kafka is installed', () => {
      throw new Error(hint)
    })
  } else {
    test('against Kafka', { skip: hint }, () => undefined)
  }
}
