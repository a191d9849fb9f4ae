import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import type { Mark } from '#libs/target/target'
import type { TransferredEntry } from '#schemas/records'
import { createStage, entriesOf, job, plannedPack, type Stage, type StageOptions } from './move-stage.ts'

const content = Buffer.from('ten bytes.')
const digest = createHash('sha256').update(content).digest()
const own: Mark = { job, item: '1.0.1', generation: 1 }

/** Puts an object under the key `a`. */
function place(stage: Stage, body: Buffer, mark: Mark | null, kind: 'file' | 'symlink' = 'file'): string {
  stage.target.store.replace(Buffer.from('a'), body)
  const object = stage.target.store.mustHave(Buffer.from('a'))
  stage.target.store.objects.set('a', { ...object, mark, kind })
  return object.seal
}

async function moveOne(stage: Stage, replaces: string | null = null): Promise<TransferredEntry> {
  stage.tree.write('a', content)
  const planned = plannedPack([stage.extentOf('a', { replaces })])
  const [entry] = entriesOf(await stage.clock.run(stage.move(planned)))
  assert.ok(entry !== undefined)
  return entry
}

type Found = 'nothing' | 'ours' | 'ours, other size' | 'stranger' | 'stranger, other size' | 'stranger, other kind'

function arrange(stage: Stage, found: Found): void {
  const other = { job, item: '9.9.9', generation: 4 }
  switch (found) {
    case 'nothing':
      return
    case 'ours':
      place(stage, Buffer.from('0123456789'), other)
      return
    case 'ours, other size':
      place(stage, Buffer.from('short'), other)
      return
    case 'stranger':
      place(stage, Buffer.from('0123456789'), null)
      return
    case 'stranger, other size':
      place(stage, Buffer.from('short'), { job: 'another', item: '1.0.1', generation: 1 })
      return
    case 'stranger, other kind':
      place(stage, Buffer.from('0123456789'), null, 'symlink')
      return
  }
}

type Expected = 'written' | 'given, ours' | 'given' | 'conflict'
type Policy = 'never' | 'different' | 'always'
const table: Readonly<Record<Found, Readonly<Record<Policy, Expected>>>> = {
  nothing: { never: 'written', different: 'written', always: 'written' },
  ours: { never: 'given, ours', different: 'given, ours', always: 'given, ours' },
  'ours, other size': { never: 'written', different: 'written', always: 'written' },
  stranger: { never: 'given', different: 'given', always: 'given' },
  'stranger, other size': { never: 'conflict', different: 'written', always: 'written' },
  'stranger, other kind': { never: 'conflict', different: 'written', always: 'written' },
}

for (const [found, row] of Object.entries(table) as [Found, Record<Policy, Expected>][]) {
  for (const [overwrite, expected] of Object.entries(row) as [Policy, Expected][]) {
    for (const looksFirst of [true, false]) {
      test(`${found} at the target, --overwrite ${overwrite}, looks ${looksFirst ? 'first' : 'after a refusal'}: ${expected}`, async () => {
        const stage = createStage({ context: { overwrite, looksFirst } })
        arrange(stage, found)
        const before = stage.target.store.objects.get('a')
        const entry = await moveOne(stage)
        const now = stage.target.store.objects.get('a')
        assert.equal(entry.outcome, expected.split(',')[0])
        if (expected === 'written') {
          assert.ok(now?.body.equals(content) === true)
          assert.equal(entry.seal, now.seal)
          assert.equal(entry.isOurs, true)
          return
        }
        assert.equal(now, before, 'what was there is untouched')
        assert.equal(stage.target.store.counters.bytesWritten, 0)
        assert.equal(entry.isOurs, expected === 'given, ours')
        assert.equal(entry.seal, expected === 'conflict' ? null : before?.seal)
        assert.equal(entry.code, expected === 'conflict' ? 'TARGET_EXISTS' : null)
        if (expected !== 'conflict') assert.ok(entry.digest.equals(digest), 'the source was read and hashed')
      })
    }
  }
}

test('a conflict that is seen before the first byte costs no read of the source', async () => {
  const stage = createStage({ context: { looksFirst: true } })
  arrange(stage, 'stranger, other size')
  await moveOne(stage)
  assert.equal(stage.bytes.read, 0)
})

/** The put acts, and its answer is lost. */
function losesPutAnswers(times: number, code: 'TARGET_TIMEOUT' | 'TARGET_EXISTS'): (stage: Stage) => void {
  return (stage) => {
    let left = times
    stage.target.store.faults = ({ operation }) => {
      if (operation !== 'put' || left === 0) return null
      left -= 1
      return { kind: 'fails', code, acts: true }
    }
  }
}

for (const code of ['TARGET_TIMEOUT', 'TARGET_EXISTS'] as const) {
  test(`a put that acted although it said ${code} is adopted, and sent once`, async () => {
    const stage = createStage()
    losesPutAnswers(1, code)(stage)
    const entry = await moveOne(stage)
    assert.deepEqual([entry.outcome, entry.isOurs], ['written', true])
    assert.equal(entry.seal, stage.target.store.objects.get('a')?.seal)
    assert.equal(stage.target.store.counters.calls.get('put'), 1)
    assert.equal(stage.bytes.written, content.length)
  })
}

test('a put that acted without leaving our mark counts as found there, not as written', async () => {
  const stage = createStage({
    wrapWriter: (writer) => ({
      takeOver: (claim, signal) => writer.takeOver(claim, signal),
      find: (key, signal) =>
        writer.find(key, signal).then((found) => (found === null ? null : { ...found, mark: null })),
      put: (request, signal) => writer.put(request, signal),
      settle: (keys, signal) => writer.settle(keys, signal),
      writePart: (request, signal) => writer.writePart(request, signal),
      copyPart: (request, signal) => writer.copyPart(request, signal),
      close: () => writer.close(),
    }),
  })
  losesPutAnswers(1, 'TARGET_EXISTS')(stage)
  const entry = await moveOne(stage)
  assert.deepEqual([entry.outcome, entry.isOurs], ['given', false])
})

test('a later generation replaces exactly the object that its page names', async () => {
  const stage = createStage()
  const seal = place(stage, Buffer.from('older'), own)
  const entry = await moveOne(stage, seal)
  assert.equal(entry.outcome, 'written')
  assert.ok(stage.target.store.mustHave(Buffer.from('a')).body.equals(content))
})

test('when another object is there than the one to replace, the usual rules hold', async () => {
  const rules: readonly (readonly [Buffer, Mark | null, TransferredEntry['outcome']])[] = [
    [Buffer.from('a stranger of another size'), null, 'conflict'],
    [Buffer.from('0123456789'), null, 'given'],
    [Buffer.from('ours of another size'), { ...own, generation: 7 }, 'written'],
    [content, own, 'written'],
  ]
  for (const [body, mark, outcome] of rules) {
    const stage = createStage()
    place(stage, body, mark)
    const entry = await moveOne(stage, '"the seal that the page names"')
    assert.equal(entry.outcome, outcome, body.toString())
  }
})

test('when others keep coming between the look and the put, the item is a conflict and not an endless loop', async () => {
  const stage = createStage({ context: { overwrite: 'always' } })
  let strangers = 0
  stage.target.store.faults = ({ operation }) => {
    strangers += 1
    if (operation === 'put') stage.target.store.replace(Buffer.from('a'), Buffer.from(`stranger number ${strangers}`))
    return null
  }
  const entry = await moveOne(stage)
  assert.deepEqual([entry.outcome, entry.code], ['conflict', 'TARGET_EXISTS'])
})

const later: StageOptions = { context: { loggedDigest: () => Promise.resolve(digest) } }

test('a later pass that reads what the log says is stored sends nothing but what stands beside the bytes', async () => {
  const stage = createStage(later)
  const seal = place(stage, content, { ...own, generation: 7 })
  const entry = await moveOne(stage, seal)
  assert.deepEqual([entry.outcome, entry.seal, entry.isOurs], ['given', seal, true])
  assert.equal(stage.target.store.counters.bytesWritten, 0)
  assert.deepEqual(stage.target.store.mustHave(Buffer.from('a')).mark?.generation, 1)
})

test('what the log says is stored is sent all the same where it is gone', async () => {
  const stage = createStage(later)
  const entry = await moveOne(stage, '"the seal that the page names"')
  assert.equal(entry.outcome, 'written')
  assert.equal(stage.target.store.counters.bytesWritten, content.length)
})

test('the digest in the log is used only for the object that the extent replaces', async () => {
  const stage = createStage(later)
  const entry = await moveOne(stage)
  assert.equal(entry.outcome, 'written')
})
