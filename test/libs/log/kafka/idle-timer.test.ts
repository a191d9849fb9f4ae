import assert from 'node:assert/strict'
import test, { mock } from 'node:test'
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { correctIdleTimer } from '#libs/log/kafka/idle-timer'

/** How many timers a queue asks for in a scheduling with so many waiting requests. */
function timersOf(waiting: number): number {
  const queue: unknown = Reflect.construct(RequestQueue, [{ clientId: 'test', broker: 'test', logger: {} }])
  assert(queue instanceof RequestQueue)
  Reflect.set(
    queue,
    'pending',
    Array.from({ length: waiting }, () => ({})),
  )
  // So that a timer that is set has a time to come: Node warns of others.
  Reflect.set(queue, 'throttledUntil', Date.now() + 60_000)
  queue.scheduleCheckPendingRequests()
  const timer: unknown = Reflect.get(queue, 'throttleCheckTimeoutId')
  Reflect.apply(Reflect.get(queue, 'destroy'), queue, [])
  return timer === null ? 0 : 1
}

test('an idle connection sets no timer, one with a waiting request does', () => {
  assert.equal(timersOf(0), 1, 'kafkajs as it comes: without this the correction is not needed any more')
  correctIdleTimer()
  correctIdleTimer()
  assert.equal(timersOf(0), 0)
  assert.equal(timersOf(1), 1)
})

test('an answer that is overdue fails its request within a second, and a check ends with its connection', (t) => {
  correctIdleTimer()
  t.after(() => mock.timers.reset())
  mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 })
  let isConnected = true
  const queue: unknown = Reflect.construct(RequestQueue, [
    { clientId: 'test', broker: 'test', logger: {}, enforceRequestTimeout: true, isConnected: () => isConnected },
  ])
  assert(queue instanceof RequestQueue)
  const overdue: string[] = []
  const request = (name: string, requestTimeout: number): readonly [string, object] => [
    name,
    { sentAt: Date.now(), requestTimeout, timeoutRequest: () => overdue.push(`${name} at ${Date.now() - 1_000_000}`) },
  ]
  Reflect.set(queue, 'inflight', new Map([request('short', 1500)]))
  queue.scheduleRequestTimeoutCheck()
  mock.timers.tick(1000)
  assert.deepEqual(overdue, [])
  mock.timers.tick(1000)
  assert.deepEqual(overdue, ['short at 2000'])
  isConnected = false
  for (let second = 0; second < 5; second += 1) mock.timers.tick(1000)
  assert.equal(overdue.length, 2, 'the check went on without a connection')
})
