import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ByteMeter, byteMeterAbsence, mountByteMeter, peakBytesPerSecond } from './byte-meter.ts'
import { seededBytes } from './seeded-bytes.ts'

const MiB = 1024 * 1024
const absence = byteMeterAbsence()
if (absence !== null) console.log(absence)
const skip = absence ?? false

/** A source of one file of 3 MiB, mounted; both go away with the test. */
async function meteredSource(
  t: TestContext,
  options = {},
): Promise<{ source: string; meter: ByteMeter; bytes: Buffer }> {
  const source = mkdtempSync(join(tmpdir(), 'waybill-metered-'))
  const bytes = seededBytes('metered', 3 * MiB)
  writeFileSync(join(source, 'file'), bytes)
  const meter = await mountByteMeter(source, options)
  t.after(async () => {
    await meter.unmount()
    rmSync(source, { recursive: true, force: true })
  })
  return { source, meter, bytes }
}

/** Reads a range; returns the bytes that came, or the error's code. */
async function readRange(path: string, offset: number, length: number): Promise<number | string> {
  const file = await open(path)
  try {
    const { bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
    return bytesRead
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  } finally {
    await file.close()
  }
}

test('every byte that is read is counted, as often as it is read', { skip }, async (t) => {
  const { meter, bytes } = await meteredSource(t)
  assert.deepEqual(readFileSync(join(meter.folder, 'file')), bytes)
  readFileSync(join(meter.folder, 'file'))
  assert.equal(await readRange(join(meter.folder, 'file'), 2 * MiB, 1000), 1000)
  await meter.unmount()
  assert.equal(meter.total(), 2 * bytes.length + 1000)
})

test('windows carry the monotonic time of the reads', { skip }, async (t) => {
  const { meter } = await meteredSource(t)
  const before = Number(process.hrtime.bigint() / 1_000_000n)
  readFileSync(join(meter.folder, 'file'))
  await sleep(450)
  readFileSync(join(meter.folder, 'file'))
  await sleep(250)
  const after = Number(process.hrtime.bigint() / 1_000_000n)
  const readings = meter.readings()
  assert.ok(readings.length >= 2)
  for (const { startMs } of readings) assert.ok(startMs >= before - 100 && startMs <= after, `${startMs}`)
  assert.equal(meter.total(), 6 * MiB)
})

test('names, links, sizes, inodes and later changes show as in the source', { skip }, async (t) => {
  const { source, meter } = await meteredSource(t)
  symlinkSync('nowhere', join(source, 'link'))
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x66, 0xff])]), 'x')
  const names = readdirSync(meter.folder, { encoding: 'buffer' }).map((name) => name.toString('latin1'))
  assert.deepEqual(names.sort(), ['file', 'fÿ', 'link'])
  assert.equal(statSync(join(meter.folder, 'file')).ino, statSync(join(source, 'file')).ino)
  appendFileSync(join(source, 'file'), 'more')
  assert.equal(statSync(join(meter.folder, 'file')).size, 3 * MiB + 4)
  assert.throws(() => writeFileSync(join(meter.folder, 'new'), ''), { code: 'EROFS' })
})

test('reads can be traced one by one', { skip }, async (t) => {
  const { meter } = await meteredSource(t, { traces: true })
  await readRange(join(meter.folder, 'file'), MiB, 4096)
  await meter.unmount()
  const [read] = meter.reads()
  assert.deepEqual([read?.name.toString(), read?.offset, read?.length], ['file', MiB, 4096])
})

test('faults come at their byte and go when they are taken away', { skip }, async (t) => {
  const { meter } = await meteredSource(t)
  const path = join(meter.folder, 'file')
  meter.setFaults([{ kind: 'error', errno: 5, path: 'file', offset: 5000 }])
  assert.equal(await readRange(path, 0, 4096), 4096)
  assert.equal(await readRange(path, 4096, 4096), 'EIO')
  meter.setFaults([{ kind: 'short', path: 'file', offset: 5000 }])
  assert.equal(await readRange(path, 4096, 4096), 904)
  assert.equal(await readRange(path, 8192, 4096), 0)
  meter.setFaults([{ kind: 'latency', ms: 120 }])
  const startedAt = performance.now()
  assert.equal(await readRange(path, 0, 4096), 4096)
  assert.ok(performance.now() - startedAt >= 115)
  meter.setFaults([{ kind: 'hang', path: 'file', offset: 0 }])
  let isBack = false
  const hanging = readRange(path, 0, 10).then((result) => {
    isBack = true
    return result
  })
  await sleep(200)
  assert.equal(isBack, false)
  meter.setFaults([])
  assert.equal(await hanging, 10)
})

test('a mount with a hanging read can be taken away, and the read fails', { skip }, async (t) => {
  const { meter } = await meteredSource(t)
  meter.setFaults([{ kind: 'hang', path: 'file', offset: 0 }])
  const hanging = readFile(join(meter.folder, 'file')).then(
    () => 'read',
    (error: NodeJS.ErrnoException) => error.code,
  )
  await sleep(100)
  await meter.unmount()
  assert.notEqual(await hanging, 'read')
})

test('the peak is that of ten windows in a row', () => {
  const at = (startMs: number, bytes: number) => ({ startMs, bytes })
  assert.equal(peakBytesPerSecond([]), 0)
  assert.equal(peakBytesPerSecond([at(0, 5), at(900, 7), at(1000, 1), at(5000, 9)]), 12)
  assert.equal(peakBytesPerSecond([at(0, 1), at(100, 10), at(1000, 10), at(1100, 10)]), 20)
})
