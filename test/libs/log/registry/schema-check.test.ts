import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkSchemas } from '#libs/log/registry/schema-check'
import { toAvsc } from '#schemas/avro'
import { eventRecords } from '#schemas/events'
import { eventTypes } from '#schemas/wire'
import { addressOf, memoryLog, openTestRegisteredLog, startTestRegistry } from './registry-fixture.ts'

const never = new AbortController().signal

interface Schema {
  readonly fields: readonly { readonly name: string }[]
}

test('an empty registry lacks every schema; once a program ran, all are registered, and a look registers nothing', async (t) => {
  const registry = await startTestRegistry(t)
  const states = async (): Promise<readonly string[]> => [
    ...new Set((await checkSchemas(addressOf(registry.url), never)).map(({ state }) => state)),
  ]
  assert.deepEqual(await states(), ['missing'])
  assert.ok(registry.requests.every((line) => line.startsWith('GET')))
  await openTestRegisteredLog(t, memoryLog(), addressOf(registry.url))
  assert.deepEqual(await states(), ['registered'])
})

test('an older version is told from an incompatible one, whose difference is named in words', async (t) => {
  const registry = await startTestRegistry(t)
  const paused = toAvsc(eventRecords.JobPaused) as Schema
  const resumed = toAvsc(eventRecords.JobResumed) as Schema
  registry.put('waybill.JobPaused', { ...paused, fields: paused.fields.filter(({ name }) => name !== 'code') })
  registry.put('waybill.JobResumed', resumed)
  registry.put('waybill.JobResumed', { ...resumed, fields: resumed.fields.filter(({ name }) => name !== 'actor') })
  registry.put('waybill.JobCancelled', { type: 'nothing' })
  const findings = await checkSchemas(addressOf(registry.url), never)
  assert.deepEqual(
    findings.map(({ subject }) => subject),
    eventTypes.map((type) => `waybill.${type}`),
  )
  const of = (type: string) => findings.find(({ subject }) => subject === `waybill.${type}`)
  assert.deepEqual(of('JobPaused'), { subject: 'waybill.JobPaused', state: 'older', difference: null })
  assert.equal(of('JobResumed')?.state, 'incompatible')
  assert.match(of('JobResumed')?.difference ?? '', /^version 2: ours cannot read it: .*actor/)
  assert.match(of('JobCancelled')?.difference ?? '', /no Avro schema/)
})
