import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { lineOf, readCount, readToEnd, recordOf } from '#test/contracts/log-fixture'
import { freshFolder, headerBytes, openReader, openWriter, recordsOf, segmentsOf } from './segment-fixture.ts'

/** A log of so many records, each in a write of its own. */
async function writeLog(t: TestContext, count: number, segmentBytesMax?: number): Promise<string> {
  const folder = join(freshFolder(t), 'log')
  const log = await openWriter(t, folder, segmentBytesMax)
  for (let number = 0; number < count; number += 1) await log.append([recordOf(number)])
  await log.close()
  return folder
}

const linesUpTo = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, number) => lineOf({ ...recordOf(number), position: number }))

async function linesOf(t: TestContext, folder: string): Promise<readonly string[]> {
  const log = await openReader(t, folder)
  return (await readToEnd(log)).map(lineOf)
}

/** What opening and reading everything says of damage. */
async function damageIn(t: TestContext, folder: string): Promise<WaybillError | null> {
  try {
    await linesOf(t, folder)
    return null
  } catch (error) {
    assert.ok(error instanceof WaybillError, String(error))
    return error
  }
}

test('a write cut short at any byte, or never filled, is cut off by the writer and passed over by readers', async (t) => {
  const folder = await writeLog(t, 3)
  const name = segmentsOf(folder)[0] ?? ''
  const whole = readFileSync(join(folder, name))
  const last = recordsOf(join(folder, name)).at(-1) ?? assert.fail('no record')
  for (let cut = last.start; cut < last.end; cut += 1) {
    const bytes = Buffer.from(whole.subarray(0, cut % 2 === 0 ? cut : last.end))
    // Odd: the file has its length, and from here on the disk never got the bytes.
    if (cut % 2 === 1) bytes.fill(0, cut)
    writeFileSync(join(folder, name), bytes)
    assert.deepEqual(await linesOf(t, folder), linesUpTo(2), `cut at ${cut}`)
    assert.equal(statSync(join(folder, name)).size, bytes.length, 'a reader changes nothing')
    const log = await openWriter(t, folder)
    const lost = bytes.length - last.start
    assert.deepEqual(log.cutShort, lost === 0 ? null : { segment: name, offset: last.start, bytes: lost })
    assert.equal(statSync(join(folder, name)).size, last.start)
    assert.deepEqual(await log.append([recordOf(2)]), [2])
    assert.deepEqual((await readToEnd(log)).map(lineOf), linesUpTo(3))
    await log.close()
  }
})

test('a write of several records whose middle never reached the disk is cut there', async (t) => {
  const folder = await writeLog(t, 2)
  const log = await openWriter(t, folder)
  await log.append([2, 3, 4, 5].map((number) => recordOf(number)))
  await log.close()
  const path = join(folder, segmentsOf(folder)[0] ?? '')
  const bytes = readFileSync(path)
  const middle = recordsOf(path)[3] ?? assert.fail('no record')
  bytes.fill(0, middle.start, middle.end)
  writeFileSync(path, bytes)
  assert.deepEqual(await linesOf(t, folder), linesUpTo(3))
  const again = await openWriter(t, folder)
  assert.deepEqual(await again.append([recordOf(3)]), [3])
  assert.deepEqual((await readToEnd(again)).map(lineOf), linesUpTo(4))
})

test('one flipped bit anywhere before the last write is damage, named by segment and byte', async (t) => {
  const folder = await writeLog(t, 5)
  const path = join(folder, segmentsOf(folder)[0] ?? '')
  const whole = readFileSync(path)
  const records = recordsOf(path)
  const last = records.at(-1) ?? assert.fail('no record')
  for (let at = 0; at < last.start; at += 1) {
    const bytes = Buffer.from(whole)
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at)
    writeFileSync(path, bytes)
    const error = await damageIn(t, folder)
    assert.equal(error?.code, 'LOG_DAMAGED', `byte ${at}`)
    const start = records.find((record) => at >= record.start && at < record.end)?.start ?? 0
    assert.equal(error?.facts['offset'], start, `byte ${at}`)
    assert.equal(error?.facts['segment'], segmentsOf(folder)[0])
    if (at % 40 === 0) await assert.rejects(openWriter(t, folder), /LOG_DAMAGED/, 'a writer refuses it as well')
  }
})

test('damage in an older segment is found by the reader that comes to it and by the search for a record', async (t) => {
  const folder = await writeLog(t, 40, 600)
  const names = segmentsOf(folder)
  const damaged = names[2] ?? assert.fail('too few segments')
  const record = recordsOf(join(folder, damaged))[1] ?? assert.fail('no record')
  const bytes = readFileSync(join(folder, damaged))
  bytes.writeUInt8(bytes.readUInt8(record.end - 1) ^ 4, record.end - 1)
  writeFileSync(join(folder, damaged), bytes)
  const log = await openWriter(t, folder, 600)
  const isNamed = (error: unknown): boolean =>
    error instanceof WaybillError &&
    error.code === 'LOG_DAMAGED' &&
    error.facts['segment'] === damaged &&
    error.facts['offset'] === record.start
  await assert.rejects(readToEnd(log), isNamed)
  await assert.rejects(log.readAt('jobs', 0, record.sequence), isNamed)
  const later = new Map([['jobs/0', recordsOf(join(folder, names[3] ?? ''))[0]?.sequence ?? 0]])
  const rest = await readToEnd(log, later)
  assert.equal(rest.length, 40 - (later.get('jobs/0') ?? 0), 'what lies behind it can still be read')
})

test('a segment that is missing, shortened, lengthened or exchanged is damage', async (t) => {
  const folder = await writeLog(t, 40, 600)
  const names = segmentsOf(folder)
  const [first = '', second = '', third = ''] = names
  const spoils: readonly ((copy: string) => void)[] = [
    (copy) => rmSync(join(copy, first)),
    (copy) => rmSync(join(copy, second)),
    (copy) => truncateSync(join(copy, second), 300),
    (copy) => truncateSync(join(copy, second), 0),
    (copy) => writeFileSync(join(copy, second), Buffer.concat([readFileSync(join(copy, second)), Buffer.alloc(40)])),
    (copy) => copyFileSync(join(copy, third), join(copy, second)),
  ]
  for (const [number, spoil] of spoils.entries()) {
    const copy = join(folder, '..', `copy-${number}`)
    cpSync(folder, copy, { recursive: true })
    spoil(copy)
    assert.equal((await damageIn(t, copy))?.code, 'LOG_DAMAGED', `spoil ${number}`)
    await assert.rejects(openWriter(t, copy), /LOG_DAMAGED/)
  }
})

test('the making of a segment that a crash cut short is made again', async (t) => {
  const folder = await writeLog(t, 5)
  const next = join(folder, '00000000000000000005.segment')
  const starts = [Buffer.alloc(0), Buffer.alloc(10), Buffer.alloc(headerBytes)]
  starts.push(readFileSync(join(folder, segmentsOf(folder)[0] ?? '')).subarray(0, headerBytes - 1))
  for (const start of starts) {
    writeFileSync(next, start)
    assert.deepEqual(await linesOf(t, folder), linesUpTo(5))
    const log = await openWriter(t, folder)
    assert.deepEqual(log.cutShort, { segment: '00000000000000000005.segment', offset: 0, bytes: start.length })
    assert.deepEqual(segmentsOf(folder).length, 1)
    await log.close()
  }
  const fresh = join(freshFolder(t), 'fresh')
  mkdirSync(fresh)
  writeFileSync(join(fresh, '00000000000000000000.segment'), 'way')
  assert.deepEqual(await (await openWriter(t, fresh)).append([recordOf(0)]), [0])
})

test('a log that ends before what was already read is damage', async (t) => {
  const folder = await writeLog(t, 5)
  const path = join(folder, segmentsOf(folder)[0] ?? '')
  truncateSync(path, recordsOf(path)[3]?.start)
  const log = await openWriter(t, folder)
  await assert.rejects(readCount(log, 1, new Map([['jobs/0', 5]])), /LOG_DAMAGED/)
})
