// A schema registry (Apicurio) for tests, without a container engine: its archive comes from Maven Central into .servers,
// Java runs it. It keeps its schemas in a file and flushes each, so that their ids outlive a kill.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { serversFolder } from './server-binaries.ts'

const home = join(serversFolder, 'apicurio-3.0.9')
const jar = join(home, 'apicurio-registry-app-3.0.9-runner.jar')

export interface RegistryPlace {
  /** Holds the schemas; a restart in the same place finds them. */
  readonly folder: string
  readonly port: number
}

export interface RegistryCommand {
  readonly command: string
  readonly args: readonly string[]
  /** What clients of the Confluent API are given. */
  readonly url: string
}

export function isRegistryInstalled(): boolean {
  return existsSync(jar)
}

/** It serves a few seconds after its start: once `URL/config` answers. */
export function registryCommand({ folder, port }: RegistryPlace): RegistryCommand {
  mkdirSync(folder, { recursive: true })
  const settings = {
    'quarkus.http.host': '127.0.0.1',
    'quarkus.http.port': port,
    'apicurio.datasource.url': `jdbc:h2:file:${join(folder, 'registry')};WRITE_DELAY=0`,
  }
  const words = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)
  const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', ...words, '-jar', jar]
  return { command: 'java', args, url: `http://127.0.0.1:${port}/apis/ccompat/v7` }
}

/** Seconds. Rejects when Java or Maven is missing, or Maven Central cannot be reached. */
export async function installRegistry(): Promise<'there already' | 'fetched'> {
  if (isRegistryInstalled()) return 'there already'
  const fetched = `${home}.part`
  rmSync(fetched, { recursive: true, force: true })
  const pom = join(import.meta.dirname, 'apicurio', 'pom.xml')
  const args = ['-q', '-B', '-f', pom, 'dependency:unpack', `-DoutputDirectory=${fetched}`]
  await new Promise<void>((resolve, reject) => {
    const child = spawn('mvn', args, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', (cause) => reject(new Error('mvn does not run: the registry needs Java and Maven', { cause })))
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`mvn ended with ${code}`))))
  })
  rmSync(home, { recursive: true, force: true })
  renameSync(fetched, home)
  return 'fetched'
}
