import assert from 'node:assert/strict'
import test from 'node:test'
import { createVirtualClock } from '#test/support/virtual-clock'

test('sleepers wake in the order of their time, equal times in the order they fell asleep', async () => {
  const clock = createVirtualClock()
  const order: string[] = []
  const sleep = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms)
    order.push(`${name} ${clock.monotonic()}`)
  }
  const all = Promise.all([sleep('c', 30), sleep('a', 10), sleep('b', 10)])
  await clock.advance(20)
  assert.deepEqual(order, ['a 10', 'b 10'])
  assert.equal(clock.monotonic(), 20)
  await clock.run(all)
  assert.equal(clock.monotonic(), 30)
})

test('what a woken sleeper does is over before the next one wakes', async () => {
  const clock = createVirtualClock()
  const order: string[] = []
  const first = clock.sleep(1).then(async () => {
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
    order.push('first')
  })
  const second = clock.sleep(1).then(() => order.push('second'))
  await clock.run(Promise.all([first, second]))
  assert.deepEqual(order, ['first', 'second'])
})

test('waiting for what can never come is an error and not a hang', async () => {
  const clock = createVirtualClock()
  await assert.rejects(clock.run(Promise.withResolvers<void>().promise), /nothing sleeps/)
  await assert.rejects(clock.run(clock.sleep(1000), 10), /not settled after 10 virtual ms/)
})

test('an aborted sleeper rejects with the reason and is forgotten', async () => {
  const clock = createVirtualClock()
  const reason = new Error('enough')
  const stop = new AbortController()
  const sleeping = clock.sleep(1000, stop.signal)
  stop.abort(reason)
  await assert.rejects(sleeping, (error) => error === reason)
  assert.equal(clock.sleepers, 0)
})
