import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { crc32c } from '#libs/log/crc32c'
import { openEmbeddedStore } from '#libs/runtime/adapters'
import { createJobPlace, type JobPlace, writeSmallTree } from '../services/cli/commands/job-place.ts'

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '-q'] as const

async function placeWithJob(): Promise<{ place: JobPlace; segment: string; name: string }> {
  const place = createJobPlace()
  writeSmallTree(place)
  const end = await place.run(...migrate)
  assert.equal(end.code, 0, end.notices)
  const folder = place.path('state/waybill/jobs/tides/log')
  const name = readdirSync(folder).find((file) => file.endsWith('.segment')) ?? ''
  return { place, segment: `${folder}/${name}`, name }
}

suite('a state', { concurrency: 2 }, () => {
  test('of a newer version is not touched, and the answer says so', async (t) => {
    const { place, segment } = await placeWithJob()
    t.after(place.remove)
    const bytes = readFileSync(segment)
    const headBytes = bytes.readUInt32LE(12)
    bytes.writeUInt32LE(99, 8)
    bytes.writeUInt32LE(0, 16)
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, headBytes)), 16)
    writeFileSync(segment, bytes)
    for (const words of [migrate, ['verify', 'tides'], ['report', 'show', 'tides'], ['rebuild', 'tides']]) {
      const end = await place.run(...words)
      assert.equal(end.code, 3, words.join(' '))
      assert.match(end.notices, /^waybill: LOG_NEWER: The state was written by a newer version of waybill\./)
    }
    assert.match((await place.run('jobs', 'list')).output, /^tides {2}unreadable {2}LOG_NEWER\n$/)
    assert.ok(readFileSync(segment).equals(bytes))
  })

  test('whose store another version made is folded again, and the answer says that and not that it is damaged', async (t) => {
    const { place } = await placeWithJob()
    t.after(place.remove)
    const store = await openEmbeddedStore(place.path('state/waybill/jobs/tides/store'))
    const [meta] = await store.getMany(['!meta'])
    const older = { ...JSON.parse(String(meta)), format: 1 }
    await store.commit([{ key: '!meta', value: Buffer.from(JSON.stringify(older)) }])
    await store.close()
    const shown = await place.run('jobs', 'show', 'tides')
    assert.equal(shown.code, 0, shown.notices)
    assert.match(
      shown.notices,
      /^waybill: the state store was made by another version of waybill: it is rebuilt from the log/,
    )
    assert.equal((await place.run(...migrate)).notices, '')
  })

  test('whose log is damaged before its end is refused, with segment and byte', async (t) => {
    const { place, segment, name } = await placeWithJob()
    t.after(place.remove)
    const bytes = readFileSync(segment)
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] ?? 0) ^ 0xff
    writeFileSync(segment, bytes)
    for (const words of [migrate, ['rebuild', 'tides']]) {
      const end = await place.run(...words)
      assert.equal(end.code, 3, end.notices)
      assert.match(end.notices, new RegExp(`^waybill: LOG_DAMAGED: .*segment=${name}.*offset=\\d+`))
    }
  })
})
