import assert from 'node:assert/strict'
import test from 'node:test'
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
