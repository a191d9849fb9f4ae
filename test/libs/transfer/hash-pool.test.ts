import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { createByteBudget } from '#libs/transfer/byte-budget'
import { createHashPool } from '#libs/transfer/hash-pool'
import { seededBytes } from '#test/support/seeded-bytes'
import { createStage, entriesOf, plannedPack } from './move-stage.ts'

const MiB = 1024 * 1024
const never = new AbortController().signal
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

test('threads give the same digests as the loop, for many loans at once', async () => {
  const pool = createHashPool({ threads: 2 })
  const budget = createByteBudget(4 * MiB, { isShared: true })
  try {
    const hashing = Array.from({ length: 12 }, async (_, index) => {
      const bytes = seededBytes(`${index}`, 700_000 + index)
      const loan = await budget.acquire(bytes.length, never)
      bytes.copy(loan.buffer)
      assert.deepEqual(await pool.digest(loan.buffer), sha256(bytes))
      loan.release()
    })
    await Promise.all(hashing)
  } finally {
    await pool.close()
  }
})

test('a loan larger than the budget is hashed in a thread too', async () => {
  const pool = createHashPool({ threads: 1 })
  try {
    const loan = await createByteBudget(MiB, { isShared: true }).acquire(2 * MiB, never)
    loan.buffer.fill(7)
    assert.deepEqual(await pool.digest(loan.buffer), sha256(Buffer.alloc(2 * MiB, 7)))
  } finally {
    await pool.close()
  }
})

test('memory that is not shared is refused, and a pool that was closed answers with an error', async () => {
  const pool = createHashPool({ threads: 1 })
  assert.throws(() => pool.digest(Buffer.alloc(10)), TypeError)
  const loan = await createByteBudget(MiB, { isShared: true }).acquire(1000, never)
  await pool.close()
  await assert.rejects(pool.digest(loan.buffer), /hash thread/)
})

test('a large item is hashed elsewhere, a small one in the loop, and both are moved', async () => {
  const pool = createHashPool({ threads: 1 })
  let elsewhere = 0
  const stage = createStage({
    context: {
      budget: createByteBudget(8 * MiB, { isShared: true }),
      hashLarge: (bytes) => {
        elsewhere += 1
        return pool.digest(bytes)
      },
    },
  })
  stage.tree.write('large', seededBytes('large', 5 * MiB))
  stage.tree.write('small', seededBytes('small', 1000))
  try {
    const entries = entriesOf(await stage.move(plannedPack([stage.extentOf('large'), stage.extentOf('small')])))
    assert.deepEqual(
      entries.map(({ digest }) => digest),
      [sha256(seededBytes('large', 5 * MiB)), sha256(seededBytes('small', 1000))],
    )
    assert.equal(elsewhere, 1)
  } finally {
    await pool.close()
  }
})
