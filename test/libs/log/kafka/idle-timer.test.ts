import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout } from 'node:timers/promises'
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

test('an answer that is overdue fails its request within a second, and the looking ends with the connection', async () => {
  correctIdleTimer()
  let isConnected = true
  let asked = 0
  const connection = (): boolean => {
    asked += 1
    return isConnected
  }
  const queue: unknown = Reflect.construct(RequestQueue, [
    { clientId: 'test', broker: 'test', logger: {}, enforceRequestTimeout: true, isConnected: connection },
  ])
  assert(queue instanceof RequestQueue)
  const overdue: string[] = []
  const request = (name: string, requestTimeout: number): readonly [string, object] => [
    name,
    { sentAt: Date.now(), requestTimeout, timeoutRequest: () => overdue.push(name) },
  ]
  Reflect.set(queue, 'inflight', new Map([request('short', 500), request('long', 60_000)]))
  queue.scheduleRequestTimeoutCheck()
  await setTimeout(1200)
  assert.deepEqual(overdue, ['short'])
  isConnected = false
  queue.destroy()
  const before = asked
  await setTimeout(1200)
  assert.equal(asked, before)
})
