// `node --conditions=source scripts/servers.ts install|start|stop [versitygw|minio|kafka|registry]`: test servers by hand.
// install  builds or fetches what is missing into .servers
// start    runs them in the background on fixed ports with data in .servers/data, prints how to reach them
// stop     ends what `start` began
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installKafka, kafkaCommand } from './kafka-server.ts'
import { installRegistry, registryCommand } from './registry-server.ts'
import { installServer, s3ServerKinds, serverCommand, serversFolder } from './server-binaries.ts'
import { accessKeyId, kafkaControllerPort, ports, type Server, secretAccessKey } from './server-ports.ts'

const servers: readonly Server[] = [...s3ServerKinds, 'kafka', 'registry']

function pidFile(server: Server): string {
  return join(serversFolder, `${server}.pid`)
}

interface Start {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** How to reach it. */
  readonly address: string
}

function startOf(server: Server): Start {
  const folder = join(serversFolder, 'data', server)
  const port = ports[server]
  mkdirSync(folder, { recursive: true })
  if (server === 'kafka') {
    const place = { folder, port, controllerPort: kafkaControllerPort, protocol: 'PLAINTEXT' as const, settings: {} }
    return { ...kafkaCommand(place), environment: {}, address: `127.0.0.1:${port}` }
  }
  if (server === 'registry') {
    const { command, args, url } = registryCommand({ folder, port })
    return { command, args, environment: {}, address: url }
  }
  const place = { folder, port, accessKeyId, secretAccessKey, certificate: null }
  const address = `http://127.0.0.1:${port}  ${accessKeyId} / ${secretAccessKey}`
  return { ...serverCommand(server, place), address }
}

/** A server that cannot take its port ends within this time; Java takes longer to find out. */
const settleMs: Readonly<Record<Server, number>> = { versitygw: 1000, minio: 1000, kafka: 5000, registry: 5000 }

async function start(server: Server): Promise<void> {
  const { command, args, environment, address } = startOf(server)
  const logFile = join(serversFolder, `${server}.log`)
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', log, log],
    detached: true,
  })
  const ended = await Promise.race([once(child, 'exit'), sleep(settleMs[server], null)])
  if (ended !== null) throw new Error(`${server} ended at once: see ${logFile}`)
  child.unref()
  writeFileSync(pidFile(server), `${child.pid}\n`)
  console.log(`${server}: ${address}  (pid ${child.pid})`)
}

function stop(server: Server): void {
  try {
    process.kill(Number(readFileSync(pidFile(server), 'utf8')), 'SIGTERM')
    console.log(`${server}: stopped`)
  } catch {
    console.log(`${server}: was not running`)
  }
  rmSync(pidFile(server), { force: true })
}

function install(server: Server): Promise<string> {
  switch (server) {
    case 'kafka':
      return installKafka()
    case 'registry':
      return installRegistry()
    case 'versitygw':
    case 'minio':
      return installServer(server)
  }
}

async function main(): Promise<number> {
  const [action, name] = process.argv.slice(2)
  const chosen = servers.filter((server) => name === undefined || server === name)
  if (chosen.length === 0 || action === undefined || !['install', 'start', 'stop'].includes(action)) {
    console.error(
      'usage: node --conditions=source scripts/servers.ts install|start|stop [versitygw|minio|kafka|registry]',
    )
    return 2
  }
  for (const server of chosen) {
    if (action === 'install') console.log(`${server}: ${await install(server)}`)
    if (action === 'start') await start(server)
    if (action === 'stop') stop(server)
  }
  return 0
}

process.exitCode = await main()
