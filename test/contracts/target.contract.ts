// What every target adapter promises; the traps at the head of libs/target/target.ts, one test each. Names in here are
// valid UTF-8 and hold nothing that a store may refuse; what only some stores can is tested beside their adapters.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { ReadRequest } from '#libs/target/target'
import { seededBytes } from '#test/support/seeded-bytes'
import {
  digestOf,
  dressOf,
  isCode,
  keyOf,
  listAll,
  neverAborted,
  portTest,
  put,
  readBack,
  requestOf,
  type TargetContract,
} from './target-fixture.ts'
import { uploadContract } from './target-uploads.contract.ts'

function putTests(contract: TargetContract): void {
  portTest(contract, 'what was put is found with its size and mark, and read back', async (ports) => {
    const body = seededBytes('1', 70_001)
    const seal = await put(ports, 'folder/a file', body)
    const key = keyOf(ports, 'folder/a file')
    const found = await ports.writer.find(key, neverAborted)
    const mark = ports.abilities.keepsMarks ? dressOf(ports).mark : null
    assert.deepEqual(found, { seal, size: body.length, kind: 'file', mark })
    assert.deepEqual(await ports.uploads.find(key, neverAborted), found, 'both roles see the same')
    assert.ok((await readBack(ports, key, { seal, length: body.length })).equals(body))
  })

  portTest(contract, 'an empty item is an object like any other', async (ports) => {
    const seal = await put(ports, 'empty', Buffer.alloc(0))
    const key = keyOf(ports, 'empty')
    assert.equal((await ports.writer.find(key, neverAborted))?.size, 0)
    assert.equal((await readBack(ports, key, { seal, length: 0 })).length, 0)
  })

  portTest(contract, 'a put under a taken key is refused, and what is there stays', async (ports) => {
    const seal = await put(ports, 'taken', Buffer.from('first'))
    await assert.rejects(put(ports, 'taken', Buffer.from('second')), isCode('TARGET_EXISTS'))
    const key = keyOf(ports, 'taken')
    assert.equal((await readBack(ports, key, { seal, length: 5 })).toString(), 'first')
    await ports.fixture.replace(key, Buffer.from("a stranger's"))
    await assert.rejects(put(ports, 'taken', Buffer.from('third')), isCode('TARGET_EXISTS'))
    assert.equal((await readBack(ports, key, { length: 12 })).toString(), "a stranger's")
  })

  portTest(contract, 'a replacement replaces the version it names and no other', async (ports) => {
    const first = await put(ports, 'version', Buffer.from('one'))
    const dress = dressOf(ports, '1.1.0', 2)
    const second = await put(ports, 'version', Buffer.from('two'), { condition: { kind: 'match', seal: first }, dress })
    const key = keyOf(ports, 'version')
    assert.equal((await readBack(ports, key, { seal: second, length: 3 })).toString(), 'two')
    const late = put(ports, 'version', Buffer.from('late'), { condition: { kind: 'match', seal: first } })
    await assert.rejects(late, isCode('TARGET_EXISTS'))
    await ports.fixture.replace(key, Buffer.from("a stranger's"))
    const third = put(ports, 'version', Buffer.from('three'), { condition: { kind: 'match', seal: second } })
    await assert.rejects(third, isCode('TARGET_EXISTS'))
    assert.equal((await readBack(ports, key, { length: 12 })).toString(), "a stranger's")
  })

  portTest(contract, 'a replacement of an object that is gone writes it anew', async (ports) => {
    const first = await put(ports, 'gone', Buffer.from('one'))
    await ports.fixture.remove(keyOf(ports, 'gone'))
    const second = await put(ports, 'gone', Buffer.from('two'), { condition: { kind: 'match', seal: first } })
    const body = await readBack(ports, keyOf(ports, 'gone'), { seal: second, length: 3 })
    assert.equal(body.toString(), 'two')
  })

  portTest(contract, 'a version whose bytes are right gets a new dress, and no bytes are sent', async (ports) => {
    const body = Buffer.from('the same bytes')
    const seal = await put(ports, 'touched', body)
    const dress = { ...dressOf(ports, '1.1.0', 2), mtimeNs: '1600000000000000000' }
    const request = requestOf(ports, 'touched', body, { condition: { kind: 'same', seal }, dress })
    const renewed = await ports.writer.put(request, neverAborted)
    assert.equal(renewed.isSent, false)
    const kept = renewed.seal
    const { length } = body
    assert.ok((await readBack(ports, request.key, { seal: kept, length })).equals(body))
    const found = await ports.writer.find(request.key, neverAborted)
    assert.deepEqual([found?.seal, found?.mark?.job], [kept, ports.fixture.job])
    await ports.fixture.replace(request.key, Buffer.from("a stranger's"))
    const late = { ...request, condition: { kind: 'same', seal: kept } } as const
    await assert.rejects(ports.writer.put(late, neverAborted), isCode('TARGET_EXISTS'))
    await ports.fixture.remove(request.key)
    const again = await ports.writer.put(late, neverAborted)
    assert.equal(again.isSent, true, 'what is gone is written anew')
    assert.ok((await readBack(ports, request.key, { seal: again.seal, length })).equals(body))
  })

  portTest(contract, 'nothing is found where nothing is, and no mark on what others wrote', async (ports) => {
    const key = keyOf(ports, 'folder/of others')
    assert.equal(await ports.writer.find(key, neverAborted), null)
    await ports.fixture.replace(key, Buffer.from('theirs'))
    const found = await ports.writer.find(key, neverAborted)
    assert.equal(found?.size, 6)
    assert.equal(found?.mark, null)
  })

  portTest(contract, 'bytes that are not those of the digest are refused where the store checks', async (ports) => {
    if (!ports.abilities.checksUploads) return
    const wrong = { digest: digestOf(Buffer.from('other bytes')) }
    await assert.rejects(put(ports, 'wrong', Buffer.from('bytes'), wrong), isCode('TARGET_REFUSED_DIGEST'))
    assert.equal(await ports.writer.find(keyOf(ports, 'wrong'), neverAborted), null)
  })
}

function readTests(contract: TargetContract): void {
  portTest(contract, 'any range is read exactly, also one that no block begins with', async (ports) => {
    const body = seededBytes('2', 2_500_003)
    const seal = await put(ports, 'ranges', body)
    const ranges = [
      { offset: 0, length: 1 },
      { offset: 1, length: 4_096 },
      { offset: 4_095, length: 2 },
      { offset: 4_096, length: 4_096 },
      { offset: 1_048_575, length: 1_048_578 },
      { offset: 2_500_002, length: 1 },
      { offset: 17, length: 2_499_986 },
    ]
    for (const range of ranges) {
      const read = await readBack(ports, keyOf(ports, 'ranges'), { seal, ...range })
      assert.ok(read.equals(body.subarray(range.offset, range.offset + range.length)), JSON.stringify(range))
    }
    const fresh = await readBack(ports, keyOf(ports, 'ranges'), { seal, offset: 5, length: 9, isFresh: true })
    assert.ok(fresh.equals(body.subarray(5, 14)))
  })

  portTest(contract, 'a range tells the size of the whole object', async (ports) => {
    const key = keyOf(ports, 'sized')
    const sizeBy = async (range: { offset: number; length: number }, seal: string | null): Promise<number | null> => {
      const request = { key, kind: 'file', seal, isFresh: false, ...range } as const
      return (await ports.reader.read(request, () => undefined, neverAborted)).objectBytes
    }
    const seal = await put(ports, 'sized', seededBytes('sized', 70_000))
    assert.equal(await sizeBy({ offset: 0, length: 70_000 }, seal), 70_000)
    assert.equal(await sizeBy({ offset: 10, length: 20 }, seal), 70_000)
    await ports.fixture.replace(key, seededBytes('sized', 70_001))
    assert.equal(await sizeBy({ offset: 0, length: 70_000 }, null), 70_001)
  })

  portTest(contract, 'what is missing, replaced or too short is told apart', async (ports) => {
    const key = keyOf(ports, 'told apart')
    await assert.rejects(readBack(ports, key, { length: 3 }), isCode('TARGET_MISSING'))
    const seal = await put(ports, 'told apart', Buffer.from('bytes'))
    await assert.rejects(readBack(ports, key, { seal, length: 6 }), isCode('TARGET_SHORT_READ'))
    await assert.rejects(readBack(ports, key, { seal, offset: 10, length: 2 }), isCode('TARGET_SHORT_READ'))
    await ports.fixture.replace(key, Buffer.from('other'))
    await assert.rejects(readBack(ports, key, { seal, length: 5 }), isCode('TARGET_REPLACED'))
    await ports.fixture.remove(key)
    await assert.rejects(readBack(ports, key, { seal, length: 5 }), isCode('TARGET_MISSING'))
  })

  portTest(contract, 'many reads at once do not mix their bytes', async (ports) => {
    const bodies = Array.from({ length: 24 }, (_, index) => seededBytes(`${index}`, 40_000 + index * 997))
    for (const [index, body] of bodies.entries()) await put(ports, `many/${index}`, body)
    const reads = bodies.map((body, index) => readBack(ports, keyOf(ports, `many/${index}`), { length: body.length }))
    for (const [index, body] of (await Promise.all(reads)).entries())
      assert.ok(body.equals(bodies[index] ?? Buffer.alloc(0)))
  })
}

const listedNames = [
  ...['a', 'a b', 'a.txt', 'a-/x', 'b/a', 'b/a.txt', 'b/c/d', 'b/c.d', 'b/c0', 'B', 'é', 'z&<>"+%', 'ä/ö/ü'],
  ...Array.from({ length: 14 }, (_, index) => `n/${index}`),
]

function surveyTests(contract: TargetContract): void {
  portTest(
    contract,
    'a listing names every object once, in key order, in pages that another process goes on from',
    async (ports) => {
      for (const [index, name] of listedNames.entries()) await put(ports, name, Buffer.alloc(index))
      const expected = listedNames
        .map((name, size) => ({ key: keyOf(ports, name), size }))
        .sort((left, right) => left.key.compare(right.key))
      for (const limit of [1, 7, 1_000]) {
        const listed = (await listAll(ports.survey, limit)).filter(({ kind }) => kind === 'file')
        assert.deepEqual(
          listed.map(({ key, size }) => ({ key, size })),
          expected,
        )
      }
      const { cursor, objects } = await ports.survey.list(null, 5, neverAborted)
      const other = ports.fixture.target.survey()
      const rest = await other.list(cursor, 1_000, neverAborted)
      await other.close()
      const both = [...objects, ...rest.objects].filter(({ kind }) => kind === 'file')
      assert.deepEqual(
        both.map(({ key }) => key.toString()),
        expected.map(({ key }) => key.toString()),
      )
    },
  )

  portTest(contract, 'a probe leaves nothing behind and sees whether the target is empty', async (ports) => {
    assert.equal(ports.abilities.isEmpty, true)
    assert.deepEqual(await listAll(ports.survey, 100), [])
    await put(ports, 'something', Buffer.from('x'))
    const { abilities } = await ports.survey.probe(neverAborted)
    assert.equal(abilities.isEmpty, false)
    assert.deepEqual({ ...abilities, isEmpty: true }, { ...ports.abilities, clockOffsetMs: abilities.clockOffsetMs })
    assert.equal((await listAll(ports.survey, 100)).length, 1)
  })

  portTest(contract, 'clearing takes away nothing but our own temporary files', async (ports) => {
    await put(ports, 'kept', Buffer.from('kept'))
    await ports.survey.clear(neverAborted)
    await ports.survey.clear(neverAborted)
    assert.equal((await listAll(ports.survey, 100)).length, 1)
    await ports.writer.takeOver('claim-2', neverAborted)
    await put(ports, 'after', Buffer.from('after'), { claim: 'claim-2' })
  })

  portTest(contract, 'work that was given up before it began does nothing', async (ports) => {
    const seal = await put(ports, 'there', Buffer.from('there'))
    const key = keyOf(ports, 'there')
    const given = AbortSignal.abort(new Error('given up'))
    const read: ReadRequest = { key, kind: 'file', seal, offset: 0, length: 5, isFresh: false }
    const attempts: (() => Promise<unknown>)[] = [
      () => ports.writer.put(requestOf(ports, 'not there', Buffer.from('x')), given),
      () => ports.writer.find(key, given),
      () => ports.uploads.open({ key, size: 9, dress: dressOf(ports), copiesParts: false }, given),
      () => ports.uploads.sweep(async () => true, given),
      () => ports.reader.read(read, () => assert.fail('no byte is given'), given),
      () => ports.survey.list(null, 10, given),
    ]
    for (const attempt of attempts) await assert.rejects(attempt, isCode('ABORTED'))
    assert.equal((await listAll(ports.survey, 100)).length, 1)
  })
}

/** Registers the suite for one adapter. */
export function targetContract(contract: TargetContract): void {
  describe(`target contract: ${contract.name}`, () => {
    putTests(contract)
    readTests(contract)
    surveyTests(contract)
    uploadContract(contract)
  })
}
