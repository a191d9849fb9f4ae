// A Kafka broker for tests, without a container engine: the jars come from Maven Central into .servers, Java runs them.
// A class-data archive and a storage folder that is formatted once bring the start to about two seconds.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serversFolder } from './server-binaries.ts'

const sources = join(import.meta.dirname, 'kafka')
const home = join(serversFolder, 'kafka-4.4.0')
const jars = join(home, 'lib')
const template = join(home, 'template')
const classArchive = join(home, 'classes.jsa')

/** The broker prints it when clients may come. */
export const readyLine = 'Kafka Server started'

export interface KafkaPlace {
  /** Holds configuration and data; a restart in the same place finds them. */
  readonly folder: string
  readonly port: number
  readonly controllerPort: number
  /** What clients speak, as in Kafka's `security.protocol`. */
  readonly protocol: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'
  /** Further lines of server.properties. */
  readonly settings: Readonly<Record<string, string>>
}

export interface ScramUser {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly name: string
  readonly password: string
}

export interface KafkaCommand {
  readonly command: string
  readonly args: readonly string[]
}

export function isKafkaInstalled(): boolean {
  return existsSync(template)
}

/** Maven writes its errors to standard output, too. */
function run(command: string, args: readonly string[], output: 'inherit' | 'ignore'): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', output, 'inherit'] })
    child.once('error', (cause) => reject(new Error(`${command} does not run: Kafka needs Java and Maven`, { cause })))
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}`))))
  })
}

/** Ends the broker as soon as it is ready: its classes are then written into the archive. */
function runUntilReady({ command, args }: KafkaCommand): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.on('data', (text: Buffer) => {
      if (text.toString().includes(readyLine)) child.kill('SIGTERM')
    })
    child.once('error', reject)
    child.once('exit', () => resolve())
  })
}

const java = (heapMib: number, more: readonly string[]): readonly string[] => [
  `-Xmx${heapMib}m`,
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  `-Dlog4j2.configurationFile=${join(sources, 'log4j2.properties')}`,
  ...more,
  '-cp',
  `${jars}/*`,
]

function writeConfiguration(place: KafkaPlace): string {
  const words = new Map(Object.entries(place).map(([name, value]) => [name, String(value)]))
  const text = readFileSync(join(sources, 'server.properties'), 'utf8')
  const filled = text.replace(/\$\{(\w+)\}/g, (word, name: string) => words.get(name) ?? word)
  const more = Object.entries(place.settings).map(([name, value]) => `${name}=${value}`)
  const file = join(place.folder, 'server.properties')
  mkdirSync(place.folder, { recursive: true })
  writeFileSync(file, `${filled}${more.join('\n')}\n`)
  return file
}

/** Writes configuration and, where there is none, a formatted storage folder; says how the broker is started. */
export function kafkaCommand(place: KafkaPlace, more: readonly string[] = []): KafkaCommand {
  const file = writeConfiguration(place)
  const storage = join(place.folder, 'log')
  if (!existsSync(storage)) cpSync(template, storage, { recursive: true })
  // Without the archive Java starts all the same, only later.
  const archive = existsSync(classArchive) ? [`-XX:SharedArchiveFile=${classArchive}`, '-Xshare:auto'] : []
  return { command: 'java', args: [...java(256, [...archive, ...more]), 'kafka.Kafka', file] }
}

/**
 * Formats the storage of a broker that has none. Passwords by SCRAM are kept by the cluster itself, so users are made here;
 * without any the broker's start copies a folder that was formatted once, which is quicker.
 */
export async function formatKafka(place: KafkaPlace, users: readonly ScramUser[]): Promise<void> {
  const file = writeConfiguration(place)
  const made = users.flatMap(({ mechanism, name, password }) => [
    '--add-scram',
    `${mechanism}=[name=${name},password=${password}]`,
  ])
  const tool = ['kafka.tools.StorageTool', 'format', '-t', 'waybillTestClusterAAAA', '-c', file, ...made]
  await run('java', [...java(128, []), ...tool], 'ignore')
}

async function formatTemplate(): Promise<void> {
  const folder = join(home, 'format')
  rmSync(folder, { recursive: true, force: true })
  await formatKafka({ folder, port: 19_092, controllerPort: 19_093, protocol: 'PLAINTEXT', settings: {} }, [])
  renameSync(join(folder, 'log'), template)
}

/** Seconds, with cold caches half a minute. Rejects when Java or Maven is missing, or Maven Central cannot be reached. */
export async function installKafka(): Promise<'there already' | 'fetched'> {
  if (isKafkaInstalled()) return 'there already'
  const pom = join(sources, 'pom.xml')
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${jars}`]
  await run('mvn', ['-q', '-B', '-f', pom, ...goal], 'inherit')
  await formatTemplate()
  const place: KafkaPlace = {
    folder: join(home, 'format'),
    port: 19_092,
    controllerPort: 19_093,
    protocol: 'PLAINTEXT',
    settings: {},
  }
  rmSync(classArchive, { force: true })
  await runUntilReady(kafkaCommand(place, [`-XX:ArchiveClassesAtExit=${classArchive}`]))
  rmSync(place.folder, { recursive: true, force: true })
  return 'fetched'
}
