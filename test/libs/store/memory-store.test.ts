import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '#libs/store/memory-store'
import { describeStateStore } from '#test/contracts/state-store.contract'

describeStateStore('memory store', async () => openMemoryStore())

test('what breaks a rule of the port is refused whole', async () => {
  const store = openMemoryStore()
  const value = Buffer.from('1')
  await assert.rejects(
    store.commit([
      { key: 'a', value },
      { key: 'ä', value },
    ]),
  )
  await assert.rejects(
    store.commit([
      { key: 'a', value },
      { key: 'b', value: Buffer.alloc(0) },
    ]),
  )
  assert.deepEqual(await store.getMany(['a']), [undefined])
})
