import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import type { EventOf, WaybillEvent } from '#schemas/events'
import {
  decodeEvent,
  encodeEvent,
  eventBytesMax,
  eventTypes,
  formerSchemaIds,
  schemaIds,
  WireError,
} from '#schemas/wire'
import { arbitraryEvent, bareSample, fullSample, plain } from '../support/event-samples.ts'

const seed = Number(process.env['WAYBILL_TEST_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed} (WAYBILL_TEST_SEED=${seed} repeats it)`)

/** The message of the WireError that `attempt` must throw. */
function refusal(attempt: () => unknown): string {
  try {
    attempt()
  } catch (error) {
    assert.ok(error instanceof WireError, `not a WireError: ${String(error)}`)
    return error.message
  }
  assert.fail('nothing was thrown')
}

/** Fields that TypeScript would refuse. */
function spoiled(event: WaybillEvent, fields: object): WaybillEvent {
  return { ...event, ...fields }
}

function isPartOf(part: unknown, whole: unknown): boolean {
  if (typeof part !== 'object' || part === null) return Object.is(part, whole)
  if (typeof whole !== 'object' || whole === null) return false
  const fields = new Map(Object.entries(whole))
  return Object.entries(part).every(([key, value]) => isPartOf(value, fields.get(key)))
}

const goldenFolder = join(import.meta.dirname, 'golden')
for (const file of readdirSync(goldenFolder)) {
  test(`golden bytes of ${file} decode to what they meant, and what is written still encodes to them`, () => {
    const rows: readonly { wire: string; value: unknown }[] = JSON.parse(readFileSync(join(goldenFolder, file), 'utf8'))
    for (const { wire, value } of rows) {
      const event = decodeEvent(Buffer.from(wire, 'hex'))
      assert.ok(isPartOf(value, plain(event)), `${event.type}: ${JSON.stringify(plain(event))}`)
      const isFormer = Buffer.from(wire, 'hex').readUInt32BE(1) !== schemaIds[event.type]
      if (!isFormer) assert.equal(encodeEvent(event).toString('hex'), wire, event.type)
    }
  })
}

test('the golden bytes of the coming release are those of the schemas as they stand', () => {
  const text = readFileSync(join(goldenFolder, 'unreleased.json'), 'utf8')
  for (const event of eventTypes.flatMap((type) => [fullSample(type), bareSample(type)])) {
    const wire = encodeEvent(event).toString('hex')
    assert.ok(text.includes(`"${wire}"`), `${event.type} changed: run \`npm run generate\` and commit what it wrote`)
  }
})

test('every event has its own schema id, and former ids stand for nothing else', () => {
  const ids = [...Object.values(schemaIds), ...Object.values(formerSchemaIds)]
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(Math.max(...ids), ids.length)
})

test('fields that bytes of a former schema lack read as their fallback', () => {
  const rows: readonly { wire: string }[] = JSON.parse(readFileSync(join(goldenFolder, 'former.json'), 'utf8'))
  const events = rows.map(({ wire }) => decodeEvent(Buffer.from(wire, 'hex')))
  assert.deepEqual(new Set(events.map(({ type }) => type)), new Set(Object.keys(formerSchemaIds)))
  for (const event of events) {
    if (event.type === 'JobRequested') assert.equal(event.request.throughputTimetable, null)
    if (event.type === 'WorkerReported') assert.deepEqual([event.grantSequence, event.reads], [-1, 0])
    if (event.type !== 'RateDecided') continue
    assert.deepEqual([event.action, event.capBytesPerSecond], ['capped', null])
    for (const { baseline } of event.signals) assert.equal(baseline, null)
  }
})

for (const type of eventTypes) {
  test(`any ${type} comes back from its bytes`, () => {
    fc.assert(
      fc.property(arbitraryEvent(type), (event) => {
        const wire = encodeEvent(event)
        const back = decodeEvent(wire)
        assert.deepEqual(plain(back), plain(event))
        assert.deepEqual(encodeEvent(back), wire)
      }),
      { seed, numRuns: 40 },
    )
  })
}

test('an event cut short anywhere is refused', () => {
  for (const type of eventTypes) {
    const wire = encodeEvent(fullSample(type))
    for (let length = 0; length < wire.length; length += 1) refusal(() => decodeEvent(wire.subarray(0, length)))
  }
})

test('a byte behind an event is refused', () => {
  const wire = Buffer.concat([encodeEvent(fullSample('ChunkLeased')), Buffer.from([0])])
  assert.equal(
    refusal(() => decodeEvent(wire)),
    'ChunkLeased is not whole: 1 bytes stand behind it',
  )
})

test('an unknown schema id and a wrong first byte are refused', () => {
  const wire = encodeEvent(bareSample('ChunkLeased'))
  const unknown = Buffer.from(wire)
  unknown.writeUInt32BE(9999, 1)
  assert.equal(
    refusal(() => decodeEvent(unknown)),
    'unknown schema id 9999',
  )
  const strange = Buffer.from(wire)
  strange.writeUInt8(1, 0)
  assert.equal(
    refusal(() => decodeEvent(strange)),
    'not in the Confluent wire format',
  )
})

test('an array that announces more entries than there are bytes is refused before anything is built', () => {
  const wire = encodeEvent(bareSample('PassCompleted'))
  // The bare event ends in: an empty list of positions, false, an empty list of codes, one byte each.
  const bomb = Buffer.concat([wire.subarray(0, -3), Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f])])
  const startedAt = performance.now()
  assert.equal(
    refusal(() => decodeEvent(bomb)),
    'PassCompleted is not whole: it announces 2147483647 entries in 0 bytes',
  )
  assert.ok(performance.now() - startedAt < 100)
})

test('a union, a boolean and a number that are none are refused', () => {
  const wire = encodeEvent(bareSample('PassCompleted'))
  const strange = Buffer.concat([wire.subarray(0, -2), Buffer.from([2, 0])])
  assert.match(
    refusal(() => decodeEvent(strange)),
    /boolean that is neither/,
  )
  const endless = Buffer.concat([wire.subarray(0, -3), Buffer.alloc(12, 0xff)])
  assert.match(
    refusal(() => decodeEvent(endless)),
    /number that does not end/,
  )
  const paused = encodeEvent(bareSample('JobPaused'))
  assert.match(
    refusal(() => decodeEvent(Buffer.concat([paused.subarray(0, -1), Buffer.from([8])]))),
    /unknown branch/,
  )
})

test('an event above 512 KiB is refused on both ways, one byte below is not', () => {
  const pages = (bytes: number): EventOf<'JobRejected'> => ({
    ...(bareSample('JobRejected') as EventOf<'JobRejected'>),
    code: 'x'.repeat(bytes),
  })
  const around = eventBytesMax - encodeEvent(pages(0)).length - 2
  assert.equal(encodeEvent(pages(around)).length, eventBytesMax)
  assert.equal(
    refusal(() => encodeEvent(pages(around + 1))),
    'JobRejected takes 524289 bytes, more than 524288',
  )
  const large = Buffer.alloc(513 * 1024)
  assert.equal(
    refusal(() => decodeEvent(large)),
    'an event of 525312 bytes, more than 524288',
  )
})

test('a field that does not fit is named with its place, never with its value', () => {
  const leased = fullSample('ChunkLeased')
  const placed = fullSample('PacksPlaced')
  const message = (fields: object, event = leased): string => refusal(() => encodeEvent(spoiled(event, fields)))
  assert.equal(message({ chunk: undefined }), 'ChunkLeased does not fit its schema: chunk is undefined, not string')
  assert.equal(message({ attempt: 1.5 }), 'ChunkLeased does not fit its schema: attempt is number, not int')
  assert.equal(message({ at: 2 ** 53 }), 'ChunkLeased does not fit its schema: at is number, not long')
  assert.equal(
    message({ placements: [{ partition: 1, count: 1 }, { partition: 'secret' }] }, placed),
    'PacksPlaced does not fit its schema: placements.1.partition is string, not int',
  )
})

test('bytes that are no Buffer are refused', () => {
  const event = spoiled(fullSample('UploadOpened'), { key: new Uint8Array([1]) })
  assert.equal(
    refusal(() => encodeEvent(event)),
    'UploadOpened does not fit its schema: key is object, not bytes',
  )
})

test('text with a lone surrogate is refused when written, text that is not UTF-8 when read', () => {
  for (const text of ['\ud800', `${'long enough for another path '.repeat(4)}\udfff`]) {
    const event = spoiled(fullSample('ChunkLeased'), { chunk: text })
    assert.equal(
      refusal(() => encodeEvent(event)),
      'ChunkLeased is not whole: it holds text that is not UTF-8',
    )
  }
  const wire = encodeEvent(spoiled(bareSample('ChunkLeased'), { chunk: 'zz' }))
  const at = wire.indexOf('zz')
  wire[at] = 0xff
  assert.equal(
    refusal(() => decodeEvent(wire)),
    'ChunkLeased is not whole: it holds text that is not UTF-8',
  )
})

test('a map with the key __proto__ is refused, since it would be lost when read', () => {
  const { request } = fullSample('JobRequested') as EventOf<'JobRequested'>
  const targetOptions = JSON.parse('{"__proto__": "x"}')
  const event = spoiled(fullSample('JobRequested'), { request: { ...request, targetOptions } })
  assert.match(
    refusal(() => encodeEvent(event)),
    /JobRequested is not whole: it holds a map with the key __proto__/,
  )
})

test('bytes made up at random never do more than be refused', () => {
  const ids = [...Object.values(schemaIds), ...Object.values(formerSchemaIds)]
  fc.assert(
    fc.property(fc.constantFrom(...ids), fc.uint8Array({ maxLength: 200 }), (id, body) => {
      const wire = Buffer.concat([Buffer.from([0, 0, 0, 0, id]), body])
      try {
        assert.ok(eventTypes.includes(decodeEvent(wire).type))
      } catch (error) {
        assert.ok(error instanceof WireError, String(error))
      }
    }),
    { seed, numRuns: 5000 },
  )
})
