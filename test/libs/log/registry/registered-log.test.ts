// The log with a registry before it: over a log in memory and a registry in this process, real HTTP between them.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { codeOf, type WaybillError } from '#libs/domain/errors'
import type { EventLog, LogRecord } from '#libs/log/event-log'
import { openRegisteredLog, openRegisteredLook } from '#libs/log/registry/registered-log'
import { type Fields, type Logger, silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { toAvsc } from '#schemas/avro'
import { type EventType, eventRecords } from '#schemas/events'
import { decodeEvent, encodeEvent, eventTypes, schemaIds, WireError } from '#schemas/wire'
import { describeEventLog } from '#test/contracts/event-log.contract'
import { readToEnd } from '#test/contracts/log-fixture'
import { makeCertificates } from '#test/support/certificates'
import { bareSample, fullSample, plain } from '#test/support/event-samples'
import type { MemoryRegistry } from '#test/support/memory-registry'
import { addressOf, memoryLog, openTestRegisteredLog, startTestRegistry } from './registry-fixture.ts'

const never = new AbortController().signal

interface World {
  readonly inner: EventLog
  readonly registry: MemoryRegistry
  readonly log: EventLog
}

async function openWorld(t: TestContext): Promise<World> {
  const inner = memoryLog()
  const registry = await startTestRegistry(t)
  return { inner, registry, log: await openTestRegisteredLog(t, inner, addressOf(registry.url)) }
}

describeEventLog('registered memory log', async (t) => (await openWorld(t)).log)

const recordOf = (value: Buffer | null) => ({ topic: 'jobs' as const, partition: 0, key: Buffer.from('key'), value })

/** The event as a registry's number and another schema would write it. */
function foreign(id: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(id, 1)
  return Buffer.concat([head, body])
}

function reasonOf({ value }: LogRecord): string {
  try {
    return `decodes as ${value && decodeEvent(value).type}`
  } catch (error) {
    assert.ok(error instanceof WireError, String(error))
    return error.message
  }
}

test('every event comes back as it was, while the log holds the numbers of the registry', async (t) => {
  const { inner, log } = await openWorld(t)
  const events = eventTypes.flatMap((type) => [bareSample(type), fullSample(type)])
  const positions = await log.append(events.map((event) => recordOf(encodeEvent(event))))
  const read = await readToEnd(log)
  assert.deepEqual(
    read.map(({ value }) => value && plain(decodeEvent(value))),
    events.map(plain),
  )
  for (const [index, position] of positions.entries()) {
    const found = await log.readAt('jobs', 0, position)
    assert.deepEqual(found?.value && plain(decodeEvent(found.value)), plain(events[index]))
  }
  const stored = new Set((await readToEnd(inner)).map(({ value }) => value?.readUInt32BE(1)))
  assert.deepEqual(
    [...stored],
    eventTypes.map((_, index) => 1001 + index),
  )
})

test('what a reader is given is its own: a second reader and the log find the bytes unchanged', async (t) => {
  const { inner, log } = await openWorld(t)
  const mine = encodeEvent(fullSample('JobPaused'))
  const before = Buffer.from(mine)
  await log.append([recordOf(mine)])
  assert.deepEqual(mine, before)
  const [first, second] = [await readToEnd(log), await readToEnd(log)]
  assert.deepEqual(first, second)
  assert.equal((await readToEnd(inner))[0]?.value?.readUInt32BE(1), 1001 + eventTypes.indexOf('JobPaused'))
})

test('the registry is asked once for each number, and not at all for another batch or append', async (t) => {
  const { registry, log } = await openWorld(t)
  const append = () => log.append(eventTypes.map((type) => recordOf(encodeEvent(bareSample(type)))))
  await append()
  await readToEnd(log)
  const asked = registry.requests.length
  registry.fault = 'break'
  await append()
  assert.equal((await readToEnd(log)).length, 2 * eventTypes.length)
  assert.equal(registry.requests.length, asked)
})

test('a subject is called as its record, and its versions must be fully compatible', async (t) => {
  const { registry } = await openWorld(t)
  for (const type of eventTypes) {
    assert.equal(registry.versionsOf(`waybill.${type}`), 1)
    assert.equal(registry.compatibilityOf(`waybill.${type}`), 'FULL_TRANSITIVE')
  }
})

test('a second process finds the same numbers, with one question for each', async (t) => {
  const { inner, registry, log } = await openWorld(t)
  const asked = registry.requests.length
  const other = await openTestRegisteredLog(t, inner, addressOf(registry.url))
  assert.equal(registry.requests.length, asked + eventTypes.length)
  await other.append([recordOf(encodeEvent(bareSample('JobResumed')))])
  assert.deepEqual((await readToEnd(log)).map(reasonOf), ['decodes as JobResumed'])
})

test('who only looks registers nothing, and needs no right to; the first append does', async (t) => {
  const { inner, log, registry } = await openWorld(t)
  await log.append([recordOf(encodeEvent(bareSample('JobResumed')))])
  const asked = registry.requests.length
  const look = openRegisteredLook(inner, addressOf(registry.url))
  t.after(() => look.close())
  assert.deepEqual((await readToEnd(look)).map(reasonOf), ['decodes as JobResumed'])
  assert.deepEqual(registry.requests.slice(asked), [`GET /schemas/ids/${1001 + eventTypes.indexOf('JobResumed')}`])
  const event = recordOf(encodeEvent(bareSample('JobPaused')))
  registry.fault = 'lost'
  await assert.rejects(look.append([event]), (error) => codeOf(error) === 'CONFIG_INVALID')
  registry.fault = null
  await Promise.all([look.append([event]), look.append([event])])
  assert.deepEqual((await readToEnd(log)).map(reasonOf).slice(1), ['decodes as JobPaused', 'decodes as JobPaused'])
  assert.equal(registry.requests.filter((line) => line === 'POST /subjects/waybill.JobPaused').length, 2)
})

test('a schema that is registered already is used also where registering is forbidden', async (t) => {
  const registry = await startTestRegistry(t, { isReadOnly: true })
  const open = () => openRegisteredLog(memoryLog(), addressOf(registry.url), never)
  await assert.rejects(open, (error) => codeOf(error) === 'REGISTRY_DENIED')
  for (const type of eventTypes) registry.put(`waybill.${type}`, toAvsc(eventRecords[type]))
  await openTestRegisteredLog(t, memoryLog(), addressOf(registry.url))
})

type Field = { readonly name: string }

/** The schema with other fields; avsc writes bodies of it. */
function changed(type: EventType, change: (fields: readonly Field[]) => readonly Field[]): object {
  const schema = toAvsc(eventRecords[type]) as { readonly fields: readonly Field[] }
  return { ...schema, fields: change(schema.fields) }
}

async function bodyOf(schema: object, value: object): Promise<Buffer> {
  const { default: avsc } = await import('avsc')
  return avsc.Type.forSchema(schema as never).toBuffer(value)
}

test('events of newer and older versions of a schema are read as ours', async (t) => {
  const { inner, registry, log } = await openWorld(t)
  const event = fullSample('JobPaused')
  const newer = changed('JobPaused', (fields) => [
    { name: 'mood', type: 'string', default: 'calm' } as Field,
    ...fields,
  ])
  const older = changed('JobPaused', (fields) => fields.filter(({ name }) => name !== 'code'))
  const values = [
    foreign(registry.put('waybill.JobPaused', newer), await bodyOf(newer, { ...event, mood: 'merry' })),
    foreign(registry.put('waybill.JobPaused', older), await bodyOf(older, event)),
  ]
  await inner.append(values.map(recordOf))
  const read = (await readToEnd(log)).map(({ value }) => value && plain(decodeEvent(value)))
  assert.deepEqual(read, [plain(event), plain({ ...event, code: null })])
})

test('the same schema in other words is the same schema', async (t) => {
  const { inner, registry, log } = await openWorld(t)
  const event = fullSample('JobPaused')
  const worded = {
    ...changed('JobPaused', (fields) => fields.map((field) => ({ ...field, doc: 'a word' }))),
    doc: 'more',
  }
  const id = registry.put('waybill.JobPaused', worded)
  assert.ok(id > 1000 + eventTypes.length)
  await inner.append([recordOf(foreign(id, encodeEvent(event).subarray(5)))])
  assert.deepEqual(
    (await readToEnd(log)).map(({ value }) => value && plain(decodeEvent(value))),
    [plain(event)],
  )
})

test('what cannot be read is delivered, at its place, as poison with its reason', async (t) => {
  const { inner, registry, log } = await openWorld(t)
  const event = fullSample('JobPaused')
  const own = encodeEvent(event).subarray(5)
  const older = changed('JobPaused', (fields) => fields.filter(({ name }) => name !== 'code'))
  const lacking = changed('JobPaused', (fields) => fields.filter(({ name }) => name !== 'actor'))
  const olderId = registry.put('waybill.JobPaused', older)
  const bodies: readonly (readonly [Buffer | null, RegExp])[] = [
    [null, /decodes as null/],
    [Buffer.from('nonsense'), /not in the Confluent wire format/],
    [foreign(77, own), /^unknown schema id 77$/],
    // The repository has a schema of this number; the registry has not.
    [foreign(schemaIds.JobPaused, own), new RegExp(`^unknown schema id ${schemaIds.JobPaused}$`)],
    [
      foreign(registry.put('other', { type: 'record', name: 'Other', namespace: 'acme', fields: [] }), own),
      /acme\.Other/,
    ],
    [foreign(registry.put('text', 'string'), own), /no event/],
    [foreign(registry.put('broken', { type: 'nothing' }), own), /cannot be used/],
    [foreign(registry.put('waybill.JobPaused', lacking), own), /no version that can be read/],
    [foreign(olderId, (await bodyOf(older, event)).subarray(0, -1)), /JobPaused of schema id \d+ .*cut short/],
    [foreign(olderId, Buffer.concat([await bodyOf(older, event), Buffer.from('x')])), /1 bytes stand behind it/],
    [foreign(1001 + eventTypes.indexOf('JobPaused'), own.subarray(1)), /./],
    [encodeEvent(bareSample('JobResumed')).fill(0, 1, 5), /^unknown schema id 0$/],
  ]
  await inner.append(bodies.map(([value]) => recordOf(value)))
  const read = await readToEnd(log)
  assert.deepEqual(
    read.map(({ position }) => position),
    bodies.map((_, index) => index),
  )
  for (const [index, [, reason]] of bodies.entries()) assert.match(reasonOf(read[index] ?? assert.fail()), reason)
  assert.match(reasonOf((await log.readAt('jobs', 0, 2)) ?? assert.fail()), /unknown schema id 77/)
})

test('made-up numbers by the thousand do not stall a reading', async (t) => {
  const { inner, registry, log } = await openWorld(t)
  await inner.append(Array.from({ length: 1000 }, (_, index) => recordOf(foreign(50_000 + index, Buffer.from('x')))))
  assert.equal((await readToEnd(log)).filter((record) => reasonOf(record).startsWith('unknown schema')).length, 1000)
  assert.ok(registry.requests.length < 2200)
})

/** A logger that keeps the sentences of warnings. */
function listening(): { readonly logger: Logger; readonly said: [string, Fields][] } {
  const said: [string, Fields][] = []
  return { logger: { ...silentLogger, warn: (fields, sentence) => said.push([sentence, fields]) }, said }
}

for (const fault of ['refuse', 'break', 'lost'] as const) {
  test(`a registry that is away (${fault}) in mid-run is waited for, and nothing is called poison`, async (t) => {
    const inner = memoryLog()
    const registry = await startTestRegistry(t)
    const { logger, said } = listening()
    const log = await openTestRegisteredLog(t, inner, addressOf(registry.url, { logger }))
    const event = fullSample('JobPaused')
    const older = changed('JobPaused', (fields) => fields.filter(({ name }) => name !== 'code'))
    await inner.append([recordOf(foreign(registry.put('waybill.JobPaused', older), await bodyOf(older, event)))])
    registry.fault = fault
    const reading = readToEnd(log)
    await systemClock.sleep(900)
    registry.fault = null
    assert.deepEqual((await reading).map(reasonOf), ['decodes as JobPaused'])
    assert.equal(said.length, 1)
    assert.match(said[0]?.[0] ?? '', /the schema registry is away, it is waited for/)
    assert.ok(registry.requests.filter((line) => line.startsWith('GET /schemas')).length > 1)
  })
}

test('a registry that stays away ends a reading and an opening with REGISTRY_UNREACHABLE', async (t) => {
  const inner = memoryLog()
  const registry = await startTestRegistry(t)
  const log = await openTestRegisteredLog(t, inner, addressOf(registry.url, { patienceMs: 300 }))
  await inner.append([recordOf(foreign(4711, Buffer.from('x')))])
  registry.fault = 'break'
  const isUnreachable = (error: unknown): boolean => codeOf(error) === 'REGISTRY_UNREACHABLE'
  await assert.rejects(() => readToEnd(log), isUnreachable)
  await assert.rejects(() => log.readAt('jobs', 0, 0), isUnreachable)
  await assert.rejects(
    () => openRegisteredLog(inner, addressOf(registry.url, { patienceMs: 300 }), never),
    isUnreachable,
  )
  const nobody = addressOf('http://127.0.0.1:1', { patienceMs: 300 })
  await assert.rejects(() => openRegisteredLog(inner, nobody, never), isUnreachable)
})

test('a reading that waits for the registry ends normally when it is stopped, and when the log is closed', async (t) => {
  const { inner, registry, log } = await openWorld(t)
  await inner.append([recordOf(foreign(4711, Buffer.from('x')))])
  registry.fault = 'refuse'
  const read = async (signal: AbortSignal): Promise<number> => {
    let seen = 0
    for await (const records of log.read(new Map(), signal)) seen += records.length
    return seen
  }
  const stop = new AbortController()
  const stopped = read(stop.signal)
  const closed = read(never)
  await systemClock.sleep(200)
  stop.abort(new Error('enough'))
  assert.equal(await stopped, 0)
  await log.close()
  assert.equal(await closed, 0)
})

test('an opening that waits for the registry ends when it is stopped', async (t) => {
  const registry = await startTestRegistry(t)
  registry.fault = 'refuse'
  const stop = new AbortController()
  const opening = openRegisteredLog(memoryLog(), addressOf(registry.url), stop.signal)
  await systemClock.sleep(200)
  stop.abort(new Error('enough'))
  await assert.rejects(opening, /enough/)
})

test('name and password are sent; without them the registry denies, and no message holds a password', async (t) => {
  const auth = { username: 'waybill', password: 'correct-horse' }
  const registry = await startTestRegistry(t, { auth })
  const log = await openTestRegisteredLog(t, memoryLog(), addressOf(registry.url, { auth }))
  await log.append([recordOf(encodeEvent(bareSample('JobResumed')))])
  assert.deepEqual((await readToEnd(log)).map(reasonOf), ['decodes as JobResumed'])
  for (const wrong of [null, { username: 'waybill', password: 'wrong-horse' }]) {
    const opening = openRegisteredLog(memoryLog(), addressOf(registry.url, { auth: wrong }), never)
    await assert.rejects(opening, (error: WaybillError) => {
      assert.equal(codeOf(error), 'REGISTRY_DENIED')
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}${JSON.stringify(error.cause)}`, /horse/)
      return true
    })
  }
  const inUrl = registry.url.replace('//', '//waybill:wrong-horse@')
  await assert.rejects(
    openRegisteredLog(memoryLog(), addressOf(inUrl), never),
    (error: WaybillError) => error.code === 'CONFIG_INVALID' && !/horse/.test(`${error.stack}${JSON.stringify(error)}`),
  )
})

const certificates = makeCertificates()
test('with the certificate authority https is spoken; without it the registry is denied at once', {
  skip: certificates === null ? 'openssl is not installed' : false,
}, async (t) => {
  if (certificates === null) return
  t.after(() => certificates.remove())
  const auth = { username: 'waybill', password: 'correct-horse' }
  const registry = await startTestRegistry(t, { auth, certificate: certificates })
  const inner = memoryLog()
  const log = await openTestRegisteredLog(t, inner, addressOf(registry.url, { auth, caFile: certificates.caFile }))
  await inner.append([
    recordOf(
      foreign(
        registry.put('waybill.JobPaused', { ...changed('JobPaused', (all) => all), doc: 'x' }),
        encodeEvent(fullSample('JobPaused')).subarray(5),
      ),
    ),
  ])
  assert.deepEqual((await readToEnd(log)).map(reasonOf), ['decodes as JobPaused'])
  const distrusted = openRegisteredLog(inner, addressOf(registry.url, { auth }), never)
  await assert.rejects(distrusted, (error) => codeOf(error) === 'REGISTRY_DENIED')
  const missing = () => openRegisteredLog(inner, addressOf(registry.url, { caFile: '/nowhere.pem' }), never)
  await assert.rejects(missing, (error) => codeOf(error) === 'CONFIG_INVALID')
})

test('a subject that another program uses is named, with the difference', async (t) => {
  const registry = await startTestRegistry(t)
  const strange = changed('ChunkLeased', (fields) => fields.map((field) => ({ ...field, type: 'boolean' })))
  registry.put('waybill.ChunkLeased', strange)
  await assert.rejects(openRegisteredLog(memoryLog(), addressOf(registry.url), never), (error: WaybillError) => {
    assert.equal(error.code, 'SCHEMA_INCOMPATIBLE')
    assert.equal(error.facts['subject'], 'waybill.ChunkLeased')
    assert.match(String(error.facts['difference']), /Incompatible/)
    return true
  })
})

test('an address that answers, and not as a registry, is a wrong configuration', async (t) => {
  const registry = await startTestRegistry(t)
  registry.fault = 'lost'
  const opening = openRegisteredLog(memoryLog(), addressOf(registry.url), never)
  await assert.rejects(opening, (error) => codeOf(error) === 'CONFIG_INVALID')
})
