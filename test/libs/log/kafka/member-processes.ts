// Starts members of a group as processes and follows what they say.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import type { MemberLine, MemberOptions } from './member-process.ts'

export interface MemberProcess {
  readonly instance: string
  /** The last assignment, null before the first. */
  assigned(): readonly number[] | null
  /** All that it said, in order. */
  readonly lines: readonly MemberLine[]
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<unknown>
}

function follow(instance: string, child: ChildProcess): MemberProcess {
  const lines: MemberLine[] = []
  if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)))
  return {
    instance,
    lines,
    assigned: () => lines.findLast((line) => line.type === 'assigned')?.partitions ?? null,
    kill: (signal) => child.kill(signal),
    ended: new Promise((resolve) => child.once('exit', resolve)),
  }
}

/** Killed at the end of the test. */
export function startMember(t: TestContext, options: MemberOptions): MemberProcess {
  const script = join(import.meta.dirname, 'member-process.ts')
  const child = spawn(process.execPath, ['--conditions=source', script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  return follow(options.instance, child)
}

/** Waits until the members have all partitions among them, each one once and each member some. Throws after a minute. */
export async function untilShared(members: readonly MemberProcess[], partitions: number): Promise<void> {
  const startedAtMs = systemClock.monotonic()
  for (;;) {
    const shares = members.map((member) => member.assigned() ?? [])
    const all = shares.flat()
    const isWhole = all.length === partitions && new Set(all).size === partitions
    if (isWhole && shares.every((share) => share.length > 0)) return
    if (systemClock.monotonic() - startedAtMs > 60_000) {
      throw new Error(`not shared after a minute: ${JSON.stringify(members.map((member) => member.lines))}`)
    }
    await systemClock.sleep(20)
  }
}
