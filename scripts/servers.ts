// `node --conditions=source scripts/servers.ts install|start|stop [versitygw|minio]`: the S3 servers by hand.
// install  builds what is missing into .servers/bin
// start    runs them in the background on fixed ports with data in .servers/data, prints how to reach them
// stop     ends what `start` began
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installServer, type S3ServerKind, s3ServerKinds, serverCommand, serversFolder } from './server-binaries.ts'

const ports: Readonly<Record<S3ServerKind, number>> = { versitygw: 7070, minio: 7080 }
const accessKeyId = 'waybill-dev'
const secretAccessKey = 'waybill-dev-secret'

function pidFile(kind: S3ServerKind): string {
  return join(serversFolder, `${kind}.pid`)
}

/** A server that cannot take its port ends within this time. */
const settleMs = 1000

async function start(kind: S3ServerKind): Promise<void> {
  const folder = join(serversFolder, 'data', kind)
  mkdirSync(folder, { recursive: true })
  const place = { folder, port: ports[kind], accessKeyId, secretAccessKey, certificate: null }
  const { command, args, environment } = serverCommand(kind, place)
  const logFile = join(serversFolder, `${kind}.log`)
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', log, log],
    detached: true,
  })
  const ended = await Promise.race([once(child, 'exit'), sleep(settleMs, null)])
  if (ended !== null) throw new Error(`${kind} ended at once: see ${logFile}`)
  child.unref()
  writeFileSync(pidFile(kind), `${child.pid}\n`)
  console.log(`${kind}: http://127.0.0.1:${ports[kind]}  ${accessKeyId} / ${secretAccessKey}  (pid ${child.pid})`)
}

function stop(kind: S3ServerKind): void {
  try {
    process.kill(Number(readFileSync(pidFile(kind), 'utf8')), 'SIGTERM')
    console.log(`${kind}: stopped`)
  } catch {
    console.log(`${kind}: was not running`)
  }
  rmSync(pidFile(kind), { force: true })
}

async function main(): Promise<number> {
  const [action, name] = process.argv.slice(2)
  const kinds = s3ServerKinds.filter((kind) => name === undefined || kind === name)
  if (kinds.length === 0 || action === undefined || !['install', 'start', 'stop'].includes(action)) {
    console.error('usage: node --conditions=source scripts/servers.ts install|start|stop [versitygw|minio]')
    return 2
  }
  for (const kind of kinds) {
    if (action === 'install') console.log(`${kind}: ${await installServer(kind)}`)
    if (action === 'start') await start(kind)
    if (action === 'stop') stop(kind)
  }
  return 0
}

process.exitCode = await main()
