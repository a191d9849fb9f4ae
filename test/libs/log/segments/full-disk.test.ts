import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { codeOf } from '#libs/domain/errors'
import type { EventLog, NewRecord } from '#libs/log/event-log'
import { readToEnd, recordOf } from '#test/contracts/log-fixture'
import { openReader, openWriter, recordsOf, segmentsOf } from './segment-fixture.ts'

const skip = process.getuid?.() !== 0 && 'not root: no file system of a given size can be mounted'

function smallDisk(t: TestContext, size: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder])
  t.after(() => {
    execFileSync('umount', ['--lazy', folder])
    rmdirSync(folder)
  })
  return folder
}

/** Appends calls until the disk is full; gives what was answered. */
async function fill(log: EventLog, calls: readonly (readonly NewRecord[])[]): Promise<readonly string[]> {
  const answered: string[] = []
  for (const records of calls) {
    try {
      await log.append(records)
    } catch (error) {
      assert.equal(codeOf(error), 'LOG_FULL')
      return answered
    }
    answered.push(...records.map(({ key }) => key.toString()))
  }
  return assert.fail('the disk was never full')
}

const keysOf = async (log: EventLog): Promise<readonly string[]> =>
  (await readToEnd(log)).map(({ key }) => key.toString())

for (const segmentBytesMax of [64 * 1024 * 1024, 60_000]) {
  test(`a full disk refuses appends and loses nothing; with space again it goes on (segments of ${segmentBytesMax} bytes)`, {
    skip,
  }, async (t) => {
    const disk = smallDisk(t, '1m')
    const folder = join(disk, 'log')
    const ballast = join(disk, 'ballast')
    writeFileSync(ballast, Buffer.alloc(400_000))
    const log = await openWriter(t, folder, segmentBytesMax)
    const calls = Array.from({ length: 400 }, (_, call) =>
      [0, 1, 2].map((n) => recordOf(call * 3 + n, { bytes: 1700 })),
    )
    const answered = await fill(log, calls)
    await assert.rejects(log.append([recordOf(-1, { bytes: 20_000 })]), /LOG_FULL/)
    const last = segmentsOf(folder).at(-1) ?? ''
    assert.equal(recordsOf(join(folder, last)).at(-1)?.end, statSync(join(folder, last)).size, 'no half record is left')
    const kept = await keysOf(log)
    assert.deepEqual(kept.slice(0, answered.length), answered)
    assert.ok(kept.length - answered.length < 3, 'at most the whole records of the refused call are there')
    rmSync(ballast)
    const more = Array.from({ length: 20 }, (_, number) => recordOf(10_000 + number, { bytes: 1000 }))
    for (const record of more) await log.append([record])
    const expected = [...kept, ...more.map(({ key }) => key.toString())]
    assert.deepEqual(await keysOf(log), expected)
    assert.deepEqual(await keysOf(await openReader(t, folder)), expected)
    await log.close()
    const again = await openWriter(t, folder, segmentBytesMax)
    assert.equal(again.cutShort, null)
    assert.deepEqual(await keysOf(again), expected)
  })
}

test('of calls that share a write on a full disk, those that are whole are answered and the others refused', {
  skip,
}, async (t) => {
  const folder = join(smallDisk(t, '256k'), 'log')
  const log = await openWriter(t, folder)
  const results = await Promise.allSettled(
    Array.from({ length: 200 }, (_, number) => log.append([recordOf(number, { bytes: 3000 })])),
  )
  const answered = results.flatMap((result, number) => (result.status === 'fulfilled' ? [`key ${number}`] : []))
  assert.ok(answered.length > 20 && answered.length < 200, `${answered.length} answered`)
  assert.deepEqual(await keysOf(log), answered)
  assert.deepEqual(await keysOf(await openReader(t, folder)), answered)
})

test('a disk that is full from the start refuses to open, with its reason', { skip }, async (t) => {
  const disk = smallDisk(t, '64k')
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(64 * 1024))
  await assert.rejects(openWriter(t, join(disk, 'log')), /LOG_FULL/)
  rmSync(join(disk, 'ballast'))
  assert.deepEqual(await (await openWriter(t, join(disk, 'log'))).append([recordOf(1)]), [0])
})
