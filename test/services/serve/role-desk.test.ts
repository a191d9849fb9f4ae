import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRoleDesk, type RoleDesk, type RoleFailure, type WantedRole } from '#services/serve/role-desk'
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts'

interface Stage {
  readonly clock: VirtualClock
  readonly desk: RoleDesk
  readonly failures: RoleFailure[]
  /** Keys that were started, in order. */
  readonly started: string[]
  /** Runs until it is stopped. */
  steady(key: string): WantedRole
  failing(key: string): WantedRole
  stuck(key: string, until: Promise<void>): WantedRole
}

function stageOf(): Stage {
  const clock = createVirtualClock()
  const [failures, started] = [[] as RoleFailure[], [] as string[]]
  const desk = createRoleDesk({ clock, onFailure: (failure) => failures.push(failure), onEnd: () => undefined })
  const role = (key: string, run: (signal: AbortSignal) => Promise<void>): WantedRole => ({
    key,
    job: key.split('/')[1] ?? '',
    run: (signal) => {
      started.push(key)
      return run(signal)
    },
  })
  const untilStopped = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  return {
    clock,
    desk,
    failures,
    started,
    steady: (key) => role(key, untilStopped),
    failing: (key) => role(key, () => Promise.reject(new Error('it fails'))),
    stuck: (key, until) => role(key, () => until),
  }
}

test('a role runs once while it is wanted, and stops when it is not', async () => {
  const { clock, desk, started, steady } = stageOf()
  const [worker, verifier] = [steady('worker/a'), steady('verifier/a')]
  desk.sync([worker, verifier])
  desk.sync([worker, verifier])
  assert.deepEqual(started, ['worker/a', 'verifier/a'])
  desk.sync([worker])
  await clock.run(clock.sleep(1))
  desk.sync([worker, verifier])
  assert.deepEqual(started, ['worker/a', 'verifier/a', 'verifier/a'])
  await desk.close()
  assert.equal(desk.isRunning('a'), false)
})

test('a role that fails is told with its number in a row, and started again after 5 s, 10 s, 20 s', async () => {
  const { clock, desk, failures, started, failing, steady } = stageOf()
  const wanted = [failing('worker/a'), steady('worker/b')]
  await clock.run(
    (async () => {
      for (let second = 0; second < 40; second += 1) {
        desk.sync(wanted)
        await clock.sleep(1_000)
      }
    })(),
  )
  // At 0, 5, 15 and 35 s; the job beside it has heard nothing.
  assert.deepEqual(
    failures.map(({ key, times }) => [key, times]),
    [1, 2, 3, 4].map((times) => ['worker/a', times]),
  )
  assert.equal(started.filter((key) => key === 'worker/b').length, 1)
  desk.sync([])
  desk.sync(wanted)
  await clock.run(clock.sleep(1))
  assert.equal(failures.at(-1)?.times, 1, 'what is not wanted any more is forgiven')
  await desk.close()
})

test('a role that is slow to stop is not started beside itself, and its job counts as running', async () => {
  const { clock, desk, started, stuck } = stageOf()
  const { promise, resolve } = Promise.withResolvers<void>()
  desk.sync([stuck('worker/a', promise)])
  desk.sync([])
  await clock.run(clock.sleep(1_000))
  assert.equal(desk.isRunning('a'), true)
  desk.sync([stuck('worker/a', promise)])
  assert.deepEqual(started, ['worker/a'])
  resolve()
  await clock.run(clock.sleep(1))
  assert.equal(desk.isRunning('a'), false)
  await desk.close()
})
