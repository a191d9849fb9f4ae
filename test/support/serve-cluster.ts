// A cluster as an operator runs it: `waybill serve` processes, each with its role, name and state folder, over a broker.
// Each can be killed, frozen and started again. What ends by itself is started again after a second, as a supervisor of
// services does, and counted.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type KafkaCluster, startKafkaCluster } from './kafka-cluster.ts'
import {
  type ProcessEnd,
  type RunObject,
  runObjectOf,
  runWaybill,
  startWaybill,
  type WaybillProcess,
} from './waybill-process.ts'

export type ServeRole = 'coordinator' | 'worker' | 'verifier'

export interface ServeMember {
  readonly name: string
  readonly role: ServeRole
  readonly logFile: string
  readonly stateFolder: string
  /** Ends that nobody asked for. */
  readonly ends: readonly ProcessEnd[]
  isRunning(): boolean
  /** null: it does not run. */
  pid(): number | null
  start(): void
  /** SIGKILL; it stays down until `start`. */
  kill(): Promise<void>
  /** SIGTERM; it stays down until `start`. */
  stop(): Promise<ProcessEnd>
  freeze(): void
  thaw(): void
}

export interface ServeClusterOptions {
  /** Empty folder for all that is written. */
  readonly folder: string
  readonly counts: Readonly<Record<ServeRole, number>>
  /** Lines of [connections.src] and [connections.dst]. */
  readonly source: readonly string[]
  readonly target: readonly string[]
  /** Lines of [serve], for workers only where they limit the rate of reading. */
  readonly serve?: readonly string[]
  /** Further sections of the configuration. */
  readonly sections?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** What one member sees beside it. */
  readonly environmentOf?: (name: string) => Readonly<Record<string, string>>
  readonly kafka?: KafkaCluster
  readonly partitions?: { readonly jobs: number; readonly chunks: number }
  /** Where a member keeps its store; default: below the folder. */
  readonly stateFolderOf?: (name: string) => string
}

export interface ServeCluster {
  readonly kafka: KafkaCluster
  readonly topicPrefix: string
  readonly configFile: string
  readonly members: readonly ServeMember[]
  membersOf(role: ServeRole): readonly ServeMember[]
  member(name: string): ServeMember
  /** Writes other lines of [serve]; processes that start later follow them. */
  configure(serve: readonly string[]): void
  /** `waybill WORDS --config F` */
  run(words: readonly string[]): Promise<ProcessEnd>
  /** Asks for a job, from @src to @dst unless told otherwise. Throws when it is refused. */
  submit(
    job: string,
    words?: readonly string[],
    ends?: { readonly source: string; readonly target: string },
  ): Promise<void>
  /** What `jobs wait` prints once the job is over. */
  wait(job: string, timeout: string): Promise<RunObject>
  /** Ends all processes, and the broker unless it was given. */
  stop(): Promise<void>
}

const topicPrefix = 'waybill'
const restartMs = 1_000

class Member implements ServeMember {
  readonly name: string
  readonly role: ServeRole
  readonly logFile: string
  readonly stateFolder: string
  readonly ends: ProcessEnd[] = []
  readonly #options: ServeClusterOptions
  readonly #configFile: string
  #running: WaybillProcess | null = null
  #isWanted = false
  #restart: NodeJS.Timeout | null = null

  constructor(options: ServeClusterOptions, configFile: string, role: ServeRole, index: number) {
    this.#options = options
    this.#configFile = configFile
    this.role = role
    this.name = `${role.slice(0, 1)}${index}`
    this.logFile = join(options.folder, `${this.name}.log`)
    this.stateFolder = options.stateFolderOf?.(this.name) ?? join(options.folder, 'state', this.name)
  }

  isRunning(): boolean {
    return this.#running !== null
  }

  pid(): number | null {
    return this.#running?.child.pid ?? null
  }

  start(): void {
    if (this.#running !== null) return
    this.#isWanted = true
    const { folder, environment = {} } = this.#options
    const words = ['serve', '--config', this.#configFile, '--roles', this.role, '--instance', this.name]
    const places = ['--state-dir', this.stateFolder, '--log-file', this.logFile]
    const own = this.#options.environmentOf?.(this.name) ?? {}
    const running = startWaybill([...words, ...places], { home: folder, environment: { ...environment, ...own } })
    this.#running = running
    running.ended.then(
      (end) => this.#ended(running, end),
      (error: unknown) => console.error(`${this.name} does not start: ${String(error)}`),
    )
  }

  #ended(process: WaybillProcess, end: ProcessEnd): void {
    if (this.#running !== process) return
    this.#running = null
    if (!this.#isWanted) return
    this.ends.push(end)
    this.#restart = setTimeout(() => this.start(), restartMs)
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<ProcessEnd | null> {
    this.#isWanted = false
    if (this.#restart !== null) clearTimeout(this.#restart)
    const running = this.#running
    if (running === null) return null
    running.child.kill(signal)
    const end = await running.ended
    this.#running = null
    return end
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<ProcessEnd> {
    const end = await this.#end('SIGTERM')
    if (end === null) throw new Error(`${this.name} is not running`)
    return end
  }

  freeze(): void {
    this.#running?.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#running?.child.kill('SIGCONT')
  }
}

function writeConfiguration(options: ServeClusterOptions, brokers: readonly string[]): string {
  const { folder, source, target, serve = [], sections = [] } = options
  const file = join(folder, 'waybill.toml')
  const lines = [
    '[kafka]',
    `brokers = ${JSON.stringify(brokers)}`,
    `topic_prefix = "${topicPrefix}"`,
    'replicas = 1',
    'min_insync_replicas = 1',
    '[serve]',
    ...serve,
    '[connections.src]',
    ...source,
    '[connections.dst]',
    ...target,
    ...sections,
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

function mustHaveWorked(words: readonly string[], end: ProcessEnd): void {
  if (end.code !== 0) throw new Error(`waybill ${words.join(' ')} ended with ${end.code}: ${end.output}${end.notices}`)
}

/** Starts the broker, makes the topics and starts every process. */
export async function startServeCluster(options: ServeClusterOptions): Promise<ServeCluster> {
  const { folder, counts, environment = {}, partitions = { jobs: 4, chunks: 64 } } = options
  mkdirSync(folder, { recursive: true })
  const kafka = options.kafka ?? (await startKafkaCluster())
  const configFile = writeConfiguration(options, kafka.brokers)
  const run = (words: readonly string[]): Promise<ProcessEnd> =>
    runWaybill([...words, '--config', configFile], { home: folder, environment })
  const create = [
    'topics',
    'create',
    '--job-partitions',
    `${partitions.jobs}`,
    '--chunk-partitions',
    `${partitions.chunks}`,
  ]
  mustHaveWorked(create, await run(create))
  const roles: readonly ServeRole[] = ['coordinator', 'worker', 'verifier']
  const members = roles.flatMap((role) =>
    Array.from({ length: counts[role] }, (_, index) => new Member(options, configFile, role, index + 1)),
  )
  for (const member of members) member.start()
  return {
    kafka,
    topicPrefix,
    configFile,
    members,
    membersOf: (role) => members.filter((member) => member.role === role),
    member: (name) => {
      const found = members.find((member) => member.name === name)
      if (found === undefined) throw new Error(`no member is called ${name}`)
      return found
    },
    configure: (serve) => {
      writeConfiguration({ ...options, serve }, kafka.brokers)
    },
    run,
    submit: async (job, words = [], ends = { source: '@src', target: '@dst' }) => {
      const command = ['jobs', 'submit', ends.source, ends.target, '--job', job, ...words]
      mustHaveWorked(command, await run(command))
    },
    wait: async (job, timeout) => runObjectOf(await run(['jobs', 'wait', job, '--json', '-q', '--timeout', timeout])),
    stop: async () => {
      await Promise.all(members.map((member) => member.kill()))
      if (options.kafka === undefined) await kafka.stop()
    },
  }
}
