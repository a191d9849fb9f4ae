// `waybill doctor --measure-source`: opt-in, asks first, and what it finds is the peak for jobs that declare none.
import { createInterface } from 'node:readline/promises'
import { WaybillError } from '#libs/domain/errors'
import { formatDuration, formatRate, formatSize } from '#libs/domain/quantity'
import { measureSourceSpeed } from '#libs/runtime/adapters'
import { writeSourcePeak } from '#libs/runtime/source-peaks'
import type { Source } from '#libs/source/source'
import { type Check, check, guarded } from './checks.ts'
import type { CommandInput } from './command.ts'
import { type FileLocation, locationText } from './locations.ts'
import { stateFolderOf } from './state-folder.ts'

/** Asks on a terminal; elsewhere -y must say it. Throws USAGE, and ABORTED for a no. */
async function agree({ settings, terminal, signal }: CommandInput, question: string): Promise<void> {
  if (settings.yes) return
  if (!terminal.isInputTerminal) {
    throw new WaybillError('USAGE', {
      problem: '--measure-source reads from the source at rising speed: say yes with -y',
    })
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal })
    if (!/^y(es)?$/i.test(answer.trim()))
      throw new WaybillError('USAGE', { problem: 'not measured: the answer was no' })
  } finally {
    lines.close()
  }
}

export async function measureSource(input: CommandInput, location: FileLocation, source: Source): Promise<Check> {
  const { settings, clock, signal } = input
  const limits = { msMax: settings.for, bytesMax: settings['max-bytes'] }
  const name = locationText(location)
  const bound = `up to ${formatSize(limits.bytesMax)} within ${formatDuration(limits.msMax)}`
  await agree(input, `Read ${bound} from ${name} at rising speed, until it makes its readers wait?`)
  const label = `speed of ${name}`
  return guarded(label, async () => {
    const speed = await measureSourceSpeed({ root: location.path, source, clock, limits, signal })
    const { bytesPerSecond, readers, bytes, isUncached, endedBy } = speed
    const how = `${formatSize(bytes)} by up to ${readers} readers, ended by ${endedBy}`
    if (bytesPerSecond === 0) return check(label, 'warning', `nothing could be read (${how})`)
    const rate = formatRate(bytesPerSecond)
    if (!isUncached) {
      const why = 'the page cache may have helped, so it is not kept; declare the peak by --source-peak'
      return check(label, 'warning', `${rate} (${how}); ${why}`)
    }
    await writeSourcePeak(stateFolderOf(input), name, { bytesPerSecond, measuredAtMs: clock.now() })
    const share = formatRate(bytesPerSecond / 10)
    return check(label, 'ok', `at least ${rate} (${how}); jobs without --source-peak read at most ${share} from it`)
  })
}
