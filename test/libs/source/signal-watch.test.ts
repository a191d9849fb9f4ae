import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { silentLogger } from '#libs/runtime/logger'
import type { LoadReading, LoadSignal } from '#libs/source/load-signal'
import { watchSignals } from '#libs/source/signal-watch'
import { createVirtualClock } from '#test/support/virtual-clock'

test('a signal is asked every few seconds; what it does not answer grows old, and it is heard again', async () => {
  const clock = createVirtualClock()
  const answers: (number | 'fails' | 'hangs')[] = [0.5, 'fails', 'hangs', 'fails', 0.7]
  const signal: LoadSignal = {
    name: 'busy',
    threshold: 0.9,
    async read(stop): Promise<LoadReading> {
      const answer = answers.shift() ?? 0.7
      if (answer === 'fails') throw new WaybillError('SIGNAL_FAILED')
      if (answer === 'hangs') await clock.sleep(1e9, stop)
      return { value: Number(answer), bytesPerSecond: null }
    },
  }
  const stop = new AbortController()
  const watch = watchSignals({ signals: new Map([['source', [signal]]]), clock, logger: silentLogger })
  assert.deepEqual(watch.levels('another'), [])
  assert.equal(watch.levels('source')[0]?.value, null)
  const running = watch.run(stop.signal)
  await clock.advance(100)
  assert.deepEqual(watch.levels('source'), [
    { name: 'busy', value: 0.5, ageMs: 100, threshold: 0.9, bytesPerSecond: null },
  ])
  // 3 s: fails. 6 s: hangs until 11 s. 14 s: fails. 17 s: answers.
  await clock.advance(16_800)
  assert.equal(watch.levels('source')[0]?.ageMs, 16_900)
  await clock.advance(200)
  assert.deepEqual([watch.levels('source')[0]?.value, watch.levels('source')[0]?.ageMs], [0.7, 100])
  stop.abort()
  await running
})
