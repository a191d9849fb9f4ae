// A registry that is away is waited for, since it restarts and networks are repaired. What it never answered is no poison.
import { WaybillError } from '#libs/domain/errors'
import { patienceMsDefault, type RegistryAddress } from './registry-address.ts'
import { registryError } from './registry-error.ts'

const firstPauseMs = 100
const pauseMsMax = 5000

/**
 * Asks until there is an answer, at least twice.
 * @throws WaybillError REGISTRY_UNREACHABLE after the patience of the address, REGISTRY_DENIED, CONFIG_INVALID; the signal's
 * reason
 */
export async function askPatiently<T>(
  address: RegistryAddress,
  question: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { url, clock, logger, patienceMs = patienceMsDefault } = address
  const sinceMs = clock.monotonic()
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
    signal.throwIfAborted()
    try {
      const answer = await question()
      if (pauseMs > firstPauseMs) {
        logger.info({ url, waitedMs: Math.round(clock.monotonic() - sinceMs) }, 'the schema registry answers again')
      }
      return answer
    } catch (thrown) {
      const error = registryError(thrown, { url })
      if (!(error instanceof WaybillError) || error.code !== 'REGISTRY_UNREACHABLE') throw error
      const { code, facts } = error
      const isFirst = pauseMs === firstPauseMs
      if (!isFirst && clock.monotonic() - sinceMs > patienceMs) throw error
      if (isFirst) logger.warn({ code, ...facts, patienceMs }, 'the schema registry is away, it is waited for')
    }
    await clock.sleep(pauseMs, signal)
  }
}
