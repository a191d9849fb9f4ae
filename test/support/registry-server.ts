// A schema registry of a test's own: started on a free port, killed at the end; it can be stopped, frozen and started again.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRegistryInstalled, registryCommand } from '../../scripts/registry-server.ts'
import { freePort } from './s3-server.ts'

export interface RegistryServer {
  readonly url: string
  /** SIGKILL: connections are refused from then on. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT: connections stay, nothing is answered. */
  freeze(): void
  thaw(): void
  /** Starts it again in the same place: the schemas keep their ids. */
  start(): Promise<void>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

const startMsMax = 90_000

async function isUp(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/config`, { signal: AbortSignal.timeout(2000) })).ok
  } catch {
    // Not yet: asked again.
    return false
  }
}

async function untilUp(child: ChildProcess, url: string): Promise<void> {
  const untilMs = performance.now() + startMsMax
  while (!(await isUp(url))) {
    if (child.exitCode !== null) throw new Error(`the registry ended with ${child.exitCode}`)
    if (performance.now() > untilMs) throw new Error(`the registry is not up after ${startMsMax} ms`)
    await sleep(100)
  }
}

/** Rejects when the registry does not answer within 90 s. `isStarted` false: `start` is called later. */
export async function startRegistryServer({ isStarted = true } = {}): Promise<RegistryServer> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-registry-'))
  const { command, args, url } = registryCommand({ folder, port: await freePort() })
  let child: ChildProcess | null = null
  // A test that fails before it stops the registry must not leave it running.
  const killAtExit = (): void => {
    child?.kill('SIGKILL')
  }
  process.once('exit', killAtExit)
  const kill = async (): Promise<void> => {
    const running = child
    if (running === null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    if (running.exitCode === null && running.kill('SIGKILL')) await ended
    child = null
  }
  const start = async (): Promise<void> => {
    child = spawn(command, args, { stdio: 'ignore' })
    await untilUp(child, url)
  }
  const stop = async (): Promise<void> => {
    await kill()
    process.removeListener('exit', killAtExit)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    if (isStarted) await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url,
    kill,
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    start,
    stop,
  }
}

/** Runs `suite` where the registry is installed. Elsewhere a line says what was skipped; with CI=true it fails. */
export function withRegistry(suite: () => void): void {
  const hint =
    'the registry is not installed: node --conditions=source scripts/servers.ts install registry (needs Java and Maven)'
  if (isRegistryInstalled()) {
    suite()
  } else if (process.env['CI'] === 'true') {
    test('the registry is installed', () => {
      throw new Error(hint)
    })
  } else {
    test('against the registry', { skip: hint }, () => undefined)
  }
}
