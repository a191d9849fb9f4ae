import assert from 'node:assert/strict'
import test from 'node:test'
import { createByteBudget, type Loan } from '#libs/transfer/byte-budget'
import { integerBetween, seededRandom } from '#test/support/seeded-random'

const KiB = 1024
const never = new AbortController().signal

test('loans never pass the budget, never overlap, and are all served', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seededRandom(seed)
    const budget = createByteBudget(256 * KiB)
    const held: { loan: Loan; mark: number }[] = []
    let served = 0
    const asked: Promise<void>[] = []
    for (let step = 0; step < 200; step += 1) {
      asked.push(
        budget.acquire(integerBetween(random, 1, 128 * KiB), never).then((loan) => {
          served += 1
          const mark = served % 251
          loan.buffer.fill(mark)
          held.push({ loan, mark })
        }),
      )
      await Promise.resolve()
      assert.ok(budget.inFlight <= budget.bytesMax, `seed ${seed}: ${budget.inFlight} bytes are in flight`)
      if (random() < 0.6) giveBackOne(held, random(), seed)
    }
    while (served < 200) {
      giveBackOne(held, random(), seed)
      await Promise.resolve()
    }
    await Promise.all(asked)
    for (const { loan } of held) loan.release()
    assert.equal(budget.inFlight, 0, `seed ${seed}`)
  }
})

function giveBackOne(held: { loan: Loan; mark: number }[], chance: number, seed: number): void {
  const [picked] = held.splice(Math.floor(chance * held.length), 1)
  if (picked === undefined) return
  const { loan, mark } = picked
  assert.ok(
    loan.buffer.equals(Buffer.alloc(loan.buffer.length, mark)),
    `seed ${seed}: another loan wrote into this one`,
  )
  loan.release()
}

test('a request larger than the budget waits until nothing else is in flight, and then has it alone', async () => {
  const budget = createByteBudget(64 * KiB)
  const small = await budget.acquire(4 * KiB, never)
  const large = budget.acquire(200 * KiB, never)
  const behind = budget.acquire(4 * KiB, never)
  assert.equal(budget.inFlight, 4 * KiB)
  small.release()
  const largeLoan = await large
  assert.equal(largeLoan.buffer.length, 200 * KiB)
  assert.equal(budget.inFlight, 200 * KiB)
  largeLoan.release()
  const last = await behind
  assert.equal(budget.inFlight, 4 * KiB)
  last.release()
})

test('a small request does not overtake a large one that waits', async () => {
  const budget = createByteBudget(64 * KiB)
  const order: string[] = []
  const first = await budget.acquire(40 * KiB, never)
  const large = budget.acquire(60 * KiB, never).then((loan) => {
    order.push('large')
    return loan
  })
  const small = budget.acquire(4 * KiB, never).then((loan) => {
    order.push('small')
    return loan
  })
  first.release()
  const loans = await Promise.all([large, small])
  assert.deepEqual(order, ['large', 'small'])
  for (const loan of loans) loan.release()
})

test('who gives up waiting lets those behind through', async () => {
  const budget = createByteBudget(64 * KiB)
  const first = await budget.acquire(40 * KiB, never)
  const impatient = new AbortController()
  const large = budget.acquire(60 * KiB, impatient.signal)
  const small = budget.acquire(4 * KiB, never)
  impatient.abort(new Error('enough'))
  await assert.rejects(large, /enough/)
  const smallLoan = await small
  smallLoan.release()
  first.release()
  assert.equal(budget.inFlight, 0)
})

test('a loan that is given back twice is a mistake', async () => {
  const budget = createByteBudget(64 * KiB)
  const loan = await budget.acquire(1, never)
  loan.release()
  assert.throws(() => loan.release(), RangeError)
})
