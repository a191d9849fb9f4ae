import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import avsc from 'avsc'
import { avscFiles } from '../../scripts/avsc-files.ts'

const folder = join(import.meta.dirname, '../../schemas/avsc')

test('schemas/avsc holds exactly the schemas of schemas/events.ts', () => {
  const written = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
  const differing = [...avscFiles()].filter(([name, text]) => written.get(name) !== text).map(([name]) => name)
  const stale = [...written.keys()].filter((name) => !avscFiles().has(name))
  assert.deepEqual(
    { differing, stale },
    { differing: [], stale: [] },
    'run `npm run generate` and commit what it wrote',
  )
})

test('each committed schema is an Avro schema by itself, named as its file', () => {
  for (const [name, text] of avscFiles()) {
    assert.equal(avsc.Type.forSchema(JSON.parse(text)).name, `waybill.${name.replace('.avsc', '')}`)
  }
})
