import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { suite, test } from 'node:test'
import {
  createJobPlace,
  largeBytes,
  objectOf,
  until,
  writeLargeFile,
  writeSmallTree,
} from '../services/cli/commands/job-place.ts'

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB'] as const

const stops = [
  { signal: 'SIGINT', code: 130, word: 'INTERRUPTED' },
  { signal: 'SIGTERM', code: 143, word: 'TERMINATED' },
] as const

suite('a signal', { concurrency: 2 }, () => {
  for (const { signal, code, word } of stops) {
    test(`${signal} stops cleanly with ${code}, and the same command goes on where it stopped`, async (t) => {
      const place = createJobPlace()
      t.after(place.remove)
      writeSmallTree(place)
      writeLargeFile(place, 'source/large.bin')
      const running = place.start(...migrate, '--throughput', '1MB/s', '--json')
      await until(() => existsSync(place.path('target/z.bin')))
      running.signal(signal)
      const stopped = await running.end
      assert.equal(stopped.code, code, stopped.notices)
      assert.match(stopped.notices, new RegExp(`${word}\\. `))
      assert.match(stopped.notices, /\n next {10}waybill migrate source target --job tides /)
      assert.deepEqual([objectOf(stopped)['verdict'], objectOf(stopped)['exit_code']], ['in_progress', code])
      assert.equal(existsSync(place.path('target/large.bin')), false, 'a name is there before its bytes are')
      const resumed = await place.run(...migrate, '--json')
      const told = objectOf(resumed)
      assert.equal(resumed.code, 0, resumed.notices)
      // What was proven before the signal is not read again.
      assert.ok(Number(told['source_bytes_read']) <= largeBytes)
      assert.ok(place.read('target/large.bin').equals(place.read('source/large.bin')))
      assert.equal(existsSync(place.path('target/.waybill')), false)
    })
  }
})
