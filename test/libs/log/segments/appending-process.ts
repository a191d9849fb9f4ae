// A process that appends numbered records until it is killed. Its arguments: folder, first number, bytes of a segment.
// Each line it prints is a number whose append was answered; it prints after the answer, never before.
import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { counts, recordOf } from '#test/contracts/log-fixture'

const appendsAtOnce = 8
const [folder = '', first = '0', segmentBytesMax = '65536'] = argv.slice(2)
const log = await openSegmentLog({ folder, partitionCounts: counts, segmentBytesMax: Number(segmentBytesMax) })
let next = Number(first)

const pause = new Int32Array(new SharedArrayBuffer(4))

/** The pipe may be full for a moment: the reader is a busy test. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, line)
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}

async function appendForEver(): Promise<void> {
  for (;;) {
    const number = next
    next += 1
    await log.append([recordOf(number, { topic: 'chunks', partition: number % 5, bytes: number % 700 })])
    say(`${number}\n`)
  }
}

try {
  await Promise.all(Array.from({ length: appendsAtOnce }, appendForEver))
} catch (error) {
  writeSync(1, `${error instanceof Error ? error.message : error}\n`)
  const again = await log.append([recordOf(next)]).catch((refusal: unknown) => refusal)
  writeSync(1, `then ${again instanceof Error ? again.message : 'accepted'}\n`)
}
