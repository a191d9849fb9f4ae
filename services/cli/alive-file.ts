// A file that a serving process touches for as long as it gets to do anything at all: those who watch over processes (a
// container's health check, a supervisor) look at its age.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import { makeFolder } from '#libs/runtime/folders'
import type { Logger } from '#libs/runtime/logger'

const touchEveryMs = 10_000

/** Touches `alive` in the folder until the signal aborts. A disk that takes no file is logged, and the file grows old. */
export async function keepAliveFile(options: {
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}): Promise<void> {
  const { folder, clock, logger, signal } = options
  while (!signal.aborted) {
    try {
      await makeFolder(folder, 0o700)
      await writeFile(join(folder, 'alive'), `${new Date(clock.now()).toISOString()}\n`, { mode: 0o600 })
    } catch (error) {
      logger.warn({ code: codeOf(error), error }, 'the file that says that this process lives cannot be written')
    }
    await clock.sleep(touchEveryMs, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
}
