// A member of a group as a process of its own, which a test can kill and stop: node member-process.ts OPTIONS, in JSON.
// It writes a line for each assignment, and one each 100 ms that says whether it is current as soon as that changes.
import { joinGroup } from '#libs/log/kafka/membership'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'

export interface MemberOptions {
  readonly brokers: readonly string[]
  readonly topicPrefix: string
  readonly instance: string
}

export type MemberLine =
  | { readonly type: 'assigned'; readonly generation: number; readonly partitions: readonly number[] }
  | { readonly type: 'current'; readonly isCurrent: boolean; readonly generation: number }
  | { readonly type: 'failed'; readonly reason: string }

function say(line: MemberLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const options: MemberOptions = JSON.parse(process.argv[2] ?? '')
const membership = await joinGroup({
  ...options,
  group: 'worker',
  clientId: options.instance,
  logger: silentLogger,
  clock: systemClock,
})
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort(new Error('stopped')))

async function sayAssignments(): Promise<void> {
  for (let generation = 0; ; generation = membership.generation()) {
    await membership.changed(generation, stop.signal)
    const partitions = [...membership.assigned()].toSorted((a, b) => a - b)
    say({ type: 'assigned', generation: membership.generation(), partitions })
  }
}

async function sayCurrent(): Promise<void> {
  for (let before: boolean | null = null; ; await systemClock.sleep(100, stop.signal)) {
    const isCurrent = membership.isCurrent()
    if (isCurrent !== before) say({ type: 'current', isCurrent, generation: membership.generation() })
    before = isCurrent
  }
}

try {
  await Promise.race([sayAssignments(), sayCurrent(), membership.failed])
} catch (error) {
  if (!stop.signal.aborted) say({ type: 'failed', reason: String(error) })
}
await membership.leave()
