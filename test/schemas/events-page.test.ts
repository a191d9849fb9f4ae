// docs/events.md is checked against the schemas both ways: no field without a meaning, no meaning without a field.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { eventRecords, topics } from '#schemas/events'
import { eventTypes } from '#schemas/wire'

const page = readFileSync(join(import.meta.dirname, '../../docs/events.md'), 'utf8')
const envelope = ['job', 'at', 'writer', 'sequence', 'software']
const claim = ['claim', 'epoch']

/** Text of each section by its heading. */
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n')[0] ?? '', section.split(/^## /m)[0] ?? '']),
)

function documentedFields(section: string): readonly string[] {
  return [...section.matchAll(/^\| `(\w+)` \| \S/gm)].map((match) => match[1] ?? '')
}

interface RecordSchema {
  readonly name: string
  readonly fields: readonly { readonly name: string; readonly type: unknown }[]
}

/** All records within a schema, itself included. */
function recordsWithin(schema: unknown): readonly RecordSchema[] {
  if (Array.isArray(schema)) return schema.flatMap(recordsWithin)
  if (typeof schema !== 'object' || schema === null) return []
  const { type, name, fields, items, values } = schema as Readonly<Record<string, unknown>>
  if (type !== 'record' || !Array.isArray(fields)) return [...recordsWithin(items), ...recordsWithin(values)]
  return [{ name: String(name), fields }, ...fields.flatMap((field: { type: unknown }) => recordsWithin(field.type))]
}

const records = new Map(
  eventTypes.flatMap((type) => recordsWithin(eventRecords[type].schema)).map((record) => [record.name, record]),
)

test('docs/events.md has a section for every event and record, and no other', () => {
  assert.deepEqual(new Set(sections.keys()), new Set(records.keys()))
})

for (const [name, { fields }] of records) {
  test(`docs/events.md gives a meaning to exactly the fields of ${name}`, () => {
    const own = fields.map((field) => field.name)
    const isEvent = eventTypes.some((type) => type === name)
    const given = isEvent ? [...envelope, ...claim] : []
    const section = sections.get(name) ?? ''
    assert.deepEqual(
      new Set(documentedFields(section)),
      new Set(own.filter((field) => !given.includes(field))),
      `a section of docs/events.md and schemas/ differ: ${name}`,
    )
    if (isEvent) assert.equal(/Under a\s+claim/.test(section), own.includes('claim'), `${name}: "Under a claim"`)
  })
}

test('docs/events.md explains the envelope, the claim and every topic', () => {
  const head = page.split(/^### /m)[0] ?? ''
  assert.deepEqual(documentedFields(head), [...envelope, ...claim])
  for (const topic of topics) assert.match(head, new RegExp(`\\| \`waybill\\.${topic}\` \\|`))
})
