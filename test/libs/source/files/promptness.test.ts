import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Promptness } from '#libs/source/files/promptness'

/** A file system whose calls take `tookMs` each. */
function fileSystem(): { tookMs: number; readonly promptness: Promptness; callsOnLoop(calls: number): number } {
  let nowMs = 0
  const promptness = new Promptness({ monotonic: () => nowMs })
  return {
    tookMs: 0.01,
    promptness,
    callsOnLoop(calls) {
      let onLoop = 0
      for (let call = 0; call < calls; call += 1) {
        if (!promptness.takesNext()) continue
        onLoop += 1
        promptness.run(() => {
          nowMs += this.tookMs
        })
      }
      return onLoop
    },
  }
}

test('calls that come back at once all stay on the loop', () => {
  assert.equal(fileSystem().callsOnLoop(1000), 1000)
})

test('calls that wait for a disk leave the loop after a few', () => {
  const disk = fileSystem()
  disk.tookMs = 8
  assert.ok(disk.callsOnLoop(1000) < 30)
})

test('one call that took long, as on a busy machine, sends nothing away', () => {
  const disk = fileSystem()
  disk.callsOnLoop(100)
  disk.tookMs = 50
  assert.equal(disk.callsOnLoop(1), 1)
  disk.tookMs = 0.01
  assert.equal(disk.callsOnLoop(1000), 1000)
})

test('the loop takes calls again once the disk has become quick', () => {
  const disk = fileSystem()
  disk.tookMs = 8
  disk.callsOnLoop(1000)
  disk.tookMs = 0.01
  assert.ok(disk.callsOnLoop(1000) > 700)
})

test('what a call throws is passed on, and its time counts', () => {
  const { promptness } = fileSystem()
  assert.throws(
    () =>
      promptness.run(() => {
        throw new RangeError('no such file')
      }),
    RangeError,
  )
})
