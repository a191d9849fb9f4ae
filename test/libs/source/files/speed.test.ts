import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import { openFileSource } from '#libs/source/files/file-source'
import { type MeasuredSpeed, measureSpeed } from '#libs/source/files/speed'

const MiB = 1024 * 1024

async function measured(
  fill: (folder: string) => void,
  limits: { readonly msMax: number; readonly bytesMax: number },
  signal = new AbortController().signal,
): Promise<MeasuredSpeed> {
  const root = mkdtempSync(join(tmpdir(), 'waybill-speed-'))
  fill(root)
  const source = openFileSource({ root, isSameFileSystemOnly: true })
  try {
    return await measureSpeed({ root, source, clock: systemClock, limits, signal })
  } finally {
    await source.close()
    rmSync(root, { recursive: true, force: true })
  }
}

test('a measure reads the files of the source once, and ends with them', async () => {
  const { bytes, bytesPerSecond, readers, endedBy } = await measured(
    (folder) => {
      mkdirSync(join(folder, 'below'))
      writeFileSync(join(folder, 'below', 'a'), Buffer.alloc(3 * MiB + 17))
      writeFileSync(join(folder, 'b'), Buffer.alloc(5))
      writeFileSync(join(folder, 'empty'), '')
      symlinkSync('/dev/zero', join(folder, 'link'))
    },
    { msMax: 5_000, bytesMax: 100 * MiB },
  )
  assert.equal(endedBy, 'end of the source')
  assert.equal(bytes, 3 * MiB + 17 + 5)
  assert.ok(bytesPerSecond > 0 && readers >= 1)
})

test('a measure stops at its bytes, its time, and its signal', async () => {
  const fill = (folder: string): void => writeFileSync(join(folder, 'a'), Buffer.alloc(64 * MiB))
  const few = await measured(fill, { msMax: 10_000, bytesMax: 4 * MiB })
  assert.equal(few.endedBy, 'bytes')
  assert.ok(few.bytes >= 4 * MiB && few.bytes <= 20 * MiB)
  const short = await measured(fill, { msMax: 1, bytesMax: 1024 * MiB })
  assert.ok(short.endedBy === 'time' || short.endedBy === 'latency', short.endedBy)
  assert.ok(short.bytes < 64 * MiB)
  const stop = AbortSignal.abort(new Error('given up'))
  await assert.rejects(measured(fill, { msMax: 1_000, bytesMax: MiB }, stop), /^Error: given up$/)
})

test('a source without files has no speed', async () => {
  const { bytesPerSecond, bytes } = await measured(() => undefined, { msMax: 1_000, bytesMax: MiB })
  assert.deepEqual([bytesPerSecond, bytes], [0, 0])
})
