import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TopicIds } from '#libs/runtime/adapters'
import { openLookFolder } from '#libs/runtime/look-folder'

const ids = (name: string): TopicIds => ({ jobs: name, listings: name, chunks: name, rates: name })
const row = { key: 'job/a', value: Buffer.from('kept') }

async function valueIn(folder: string, topicIds: TopicIds): Promise<string | undefined> {
  const look = await openLookFolder(folder, topicIds)
  const [value] = await look.store().getMany([row.key])
  await look.close()
  return value?.toString()
}

test('what one look folded the next one finds, unless the topics are others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-looks-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const look = await openLookFolder(folder, ids('one'))
  assert.equal(look.isKept, true)
  await look.store().commit([row])
  await look.close()
  assert.equal(await valueIn(folder, ids('one')), 'kept')
  assert.equal(await valueIn(folder, ids('two')), undefined)
  assert.equal(await valueIn(folder, ids('one')), undefined)
})

test('two looks at once do not meet: the second folds for itself', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-looks-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const first = await openLookFolder(folder, ids('one'))
  await first.store().commit([row])
  const second = await openLookFolder(folder, ids('one'))
  assert.equal(second.isKept, false)
  assert.deepEqual(await second.store().getMany([row.key]), [undefined])
  await second.close()
  await first.close()
  assert.equal(await valueIn(folder, ids('one')), 'kept')
})

test('a store that is damaged or useless is made anew', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-looks-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const look = await openLookFolder(folder, ids('one'))
  await look.store().commit([row])
  await look.renew()
  assert.deepEqual(await look.store().getMany([row.key]), [undefined])
  await look.store().commit([row])
  await look.close()
  writeFileSync(join(folder, 'store/CURRENT'), 'nonsense\n')
  assert.equal(await valueIn(folder, ids('one')), undefined)
})
