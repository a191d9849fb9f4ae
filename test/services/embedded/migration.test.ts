import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { reportFacts } from '#libs/projection/report-facts'
import { readRows } from '#libs/projection/row-reader'
import { identityOf } from '#libs/source/memory-tree'
import { openMemoryStore } from '#libs/store/memory-store'
import { encodeEvent } from '#schemas/wire'
import { createMemoryWorld, KiB, type MemoryWorld, smallRequest } from '#test/support/memory-migration'

const bytesOf = (length: number, seed: number): Buffer => Buffer.alloc(length, `seed ${seed};`)

function fill(world: MemoryWorld): void {
  world.tree.makeDirectory('folder')
  world.tree.write('folder/one', bytesOf(10, 1))
  world.tree.write('folder/empty', Buffer.alloc(0))
  world.tree.write('large', bytesOf(200 * KiB, 2))
  world.tree.link('link', 'large')
}

const plain = (count: { items: number; bytes: number }): object => ({ ...count })
const all = { items: 5, bytes: 200 * KiB + 15 }

test('a small tree ends verified, every item in one outcome', async () => {
  const world = createMemoryWorld()
  fill(world)
  const { isComplete, tally } = await world.run()
  assert.equal(isComplete, true)
  assert.deepEqual(plain(tally.verified), all)
  assert.deepEqual(plain(tally.listed), all)
  assert.equal(tally.sourceBytesRead, all.bytes - 5)
})

test('a second pass reads nothing of what is unchanged and verified', async () => {
  const world = createMemoryWorld()
  fill(world)
  const first = await world.run()
  world.tree.write('folder/one', bytesOf(12, 3))
  world.tree.write('new', bytesOf(5, 4))
  const second = await world.run()
  assert.equal(second.job.pass, 2)
  assert.deepEqual(plain(second.tally.verified), { items: 6, bytes: all.bytes + 7 })
  assert.equal(second.tally.sourceBytesRead - first.tally.sourceBytesRead, 17)
  assert.equal(second.tally.targetBytesWritten - first.tally.targetBytesWritten, 17)
})

test('of files that only got another time nothing is sent, and the next pass finds them unchanged', async () => {
  const world = createMemoryWorld()
  for (let n = 0; n < 1_000; n += 1) world.tree.write(`folder/${n}`, bytesOf(10 + n, n))
  const first = await world.run()
  for (let n = 0; n < 1_000; n += 1) world.tree.write(`folder/${n}`, bytesOf(10 + n, n))
  const second = await world.run()
  assert.equal(second.isComplete, true)
  assert.equal(second.tally.targetBytesWritten, first.tally.targetBytesWritten)
  assert.deepEqual(plain(second.tally.verified), plain(first.tally.verified))
  const node = world.tree.nodeOf('folder/7')
  assert.ok(node !== null)
  assert.equal(world.target.store.mustHave(Buffer.from('folder/7')).mtimeNs, identityOf(node).mtimeNs)
  const third = await world.run()
  assert.equal(third.tally.sourceBytesRead, second.tally.sourceBytesRead)
  assert.deepEqual(plain(third.tally.verified), plain(first.tally.verified))
})

test('bytes that rotted where a file was only touched are found and mended in the same pass', async () => {
  const world = createMemoryWorld()
  fill(world)
  await world.run()
  world.target.store.corrupt(Buffer.from('folder/one'), 3)
  world.tree.write('folder/one', bytesOf(10, 1))
  const second = await world.run()
  assert.deepEqual(plain(second.tally.verified), all)
  assert.ok(world.target.store.mustHave(Buffer.from('folder/one')).body.equals(bytesOf(10, 1)))
})

test('an item that vanished is listed as such and stays at the target', async () => {
  const world = createMemoryWorld()
  fill(world)
  await world.run()
  world.tree.remove('folder/one')
  const second = await world.run()
  assert.equal(second.isComplete, true)
  assert.deepEqual(plain(second.tally.skipped), { items: 1, bytes: 10 })
  const third = await world.run()
  assert.deepEqual(plain(third.tally.skipped), { items: 1, bytes: 10 })
  assert.deepEqual(plain(third.tally.listed), all)
})

test('bytes that rot at rest are found by verify and repaired by the next pass, from the bad range alone', async () => {
  const world = createMemoryWorld()
  fill(world)
  const first = await world.run()
  world.target.store.corrupt(Buffer.from('large'), 70 * KiB)
  const checked = await world.run({ aim: 'verify' })
  assert.deepEqual(plain(checked.tally.mismatched), { items: 1, bytes: 200 * KiB })
  const repaired = await world.run()
  assert.equal(repaired.isComplete, true)
  assert.deepEqual(plain(repaired.tally.verified), all)
  assert.equal(repaired.tally.sourceBytesRead - first.tally.sourceBytesRead, 64 * KiB)
})

test('bytes appended at rest are found by verify, and the next pass mends the object', async () => {
  const world = createMemoryWorld()
  fill(world)
  await world.run()
  const object = world.target.store.mustHave(Buffer.from('large'))
  world.target.store.objects.set('large', { ...object, body: Buffer.concat([object.body, Buffer.from('more')]) })
  const checked = await world.run({ aim: 'verify' })
  assert.deepEqual(plain(checked.tally.mismatched), { items: 1, bytes: 200 * KiB })
  const repaired = await world.run()
  assert.equal(repaired.isComplete, true)
  assert.deepEqual(plain(repaired.tally.verified), all)
  assert.equal(world.target.store.mustHave(Buffer.from('large')).body.length, 200 * KiB)
})

test('a lost store is rebuilt from the log, and nothing is sent again', async () => {
  const world = createMemoryWorld(3)
  fill(world)
  const first = await world.run()
  const again = await world.run({ store: openMemoryStore() })
  assert.equal(again.tally.targetBytesWritten, first.tally.targetBytesWritten)
  assert.deepEqual(plain(again.tally.verified), all)
})

test('verify of a job whose pass is not complete is refused: nobody would move what is left', async () => {
  const world = createMemoryWorld()
  fill(world)
  const stop = new AbortController()
  world.target.store.faults = ({ operation }) => {
    if (operation === 'put') stop.abort(new WaybillError('ABORTED'))
    return null
  }
  await assert.rejects(world.run({ signal: stop.signal }), { code: 'ABORTED' })
  world.target.store.faults = () => null
  await assert.rejects(world.run({ aim: 'verify' }), { code: 'JOB_UNFINISHED' })
  assert.equal((await world.run()).isComplete, true)
})

test('a process that another one took over ends, and appends no more', async () => {
  const world = createMemoryWorld()
  fill(world)
  const event = { type: 'PartitionClaimed', job: '', at: 0, writer: 'other', sequence: 1, software: 'test' } as const
  const value = encodeEvent({ ...event, claim: 'other', epoch: 2, cause: 'takeover' })
  world.target.store.faults = ({ operation }) => {
    if (operation === 'put') void world.log.append([{ topic: 'jobs', partition: 0, key: Buffer.from('other'), value }])
    return null
  }
  await assert.rejects(world.run(), { code: 'JOB_HELD' })
  world.target.store.faults = () => null
  assert.equal((await world.run()).isComplete, true)
})

test('a report tells the findings of its pass, not those of the passes before', async () => {
  const world = createMemoryWorld()
  fill(world)
  world.tree.makeSpecial('pipe')
  const findings = async (): Promise<object> => {
    const facts = { job: 'job', rows: readRows(world.store), log: world.log, software: 'test', readers: [] }
    return (await reportFacts({ ...facts, hasOwnCredentials: false, state: 'completed', endedAt: 0 })).findings
  }
  world.tree.deny('folder/one', true)
  await world.run()
  assert.deepEqual(await findings(), { SOURCE_UNREADABLE: 1, SPECIAL_FILE: 1 })
  world.tree.deny('folder/one', false)
  await world.run()
  assert.deepEqual(await findings(), { SPECIAL_FILE: 1 })
  world.target.store.corrupt(Buffer.from('folder/one'), 3)
  await world.run({ aim: 'verify' })
  assert.deepEqual(await findings(), { DIGEST_MISMATCH: 1, SPECIAL_FILE: 1 })
})

test('another root in the place of the source moves nothing', async () => {
  const world = createMemoryWorld()
  fill(world)
  const first = await world.run()
  world.tree.rootIdentity = 'memory:another'
  await assert.rejects(world.run(), { code: 'SOURCE_REPLACED' })
  assert.equal(first.job.sourceRoot === 'memory:another', false)
})

test("a stranger's object that was equal once is not replaced when the source changes, unless the job says so", async () => {
  for (const [size, overwrite, isReplaced] of [
    [10, 'never', false],
    [200 * KiB, 'never', false],
    [10, 'different', true],
  ] as const) {
    const world = createMemoryWorld()
    const key = Buffer.from('theirs')
    world.tree.write('theirs', bytesOf(size, 1))
    world.target.store.replace(key, bytesOf(size, 1))
    const request = { ...smallRequest, overwrite }
    const first = await world.run({ request })
    assert.equal(first.tally.already_there.items, 1)
    world.tree.write('theirs', bytesOf(size + 1, 2))
    const second = await world.run({ request })
    assert.equal(second.isComplete, true)
    assert.equal(world.target.store.mustHave(key).body.equals(bytesOf(size + 1, 2)), isReplaced)
    assert.equal(second.tally[isReplaced ? 'verified' : 'failed'].items, 1)
  }
})

test('what was moved before a job was cancelled can be verified', async () => {
  const world = createMemoryWorld()
  fill(world)
  const event = { type: 'JobCancelled', job: 'job', at: 0, writer: 'person', sequence: 1, software: 'test' } as const
  const value = encodeEvent({ ...event, actor: 'person', reason: '' })
  world.target.store.faults = ({ operation }) => {
    if (operation === 'read')
      void world.log.append([{ topic: 'jobs', partition: 0, key: Buffer.from('cancel'), value }])
    return null
  }
  assert.equal((await world.run()).job.isLastPassCancelled, true)
  world.target.store.faults = () => null
  assert.equal((await world.run({ aim: 'verify' })).isComplete, true)
  const next = await world.run()
  assert.deepEqual(plain(next.tally.verified), all)
})

test('a pass that was cancelled before it listed anything leaves every item known to the next one', async () => {
  const world = createMemoryWorld()
  fill(world)
  const first = await world.run()
  const event = { type: 'JobCancelled', job: 'job', at: 0, writer: 'person', sequence: 1, software: 'test' } as const
  const value = encodeEvent({ ...event, actor: 'person', reason: '' })
  world.target.store.faults = ({ operation }) => {
    if (operation === 'probe')
      void world.log.append([{ topic: 'jobs', partition: 0, key: Buffer.from('cancel'), value }])
    return null
  }
  assert.equal((await world.run()).job.isLastPassCancelled, true)
  world.target.store.faults = () => null
  const third = await world.run()
  assert.deepEqual(plain(third.tally.listed), all)
  assert.deepEqual(plain(third.tally.verified), all)
  assert.equal(third.tally.sourceBytesRead, first.tally.sourceBytesRead)
})
