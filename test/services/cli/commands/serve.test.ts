import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createPlace, type ProgramPlace, runProgram } from '../program.ts'

function placeOf(context: TestContext): ProgramPlace {
  const place = createPlace()
  context.after(place.remove)
  return place
}

for (const [roles, missing] of [
  ['worker', 'coordinator,verifier'],
  ['api', 'coordinator,worker,verifier'],
  ['coordinator,worker,api', 'verifier'],
]) {
  test(`without brokers nobody else does the rest: serve --roles ${roles} is refused at once`, async (context) => {
    const end = await runProgram(['serve', '--roles', `${roles}`], placeOf(context))
    assert.equal(end.code, 2, end.notices)
    assert.match(end.notices, new RegExp(`CONFIG_INVALID: .*without \\[kafka\\] brokers .*add ${missing} to --roles`))
  })
}

test('a port that is in use is told before anybody else loses a share of the work', async (context) => {
  const holder = createServer().listen(0, '127.0.0.1')
  context.after(() => holder.close())
  await once(holder, 'listening')
  const address = holder.address()
  assert.ok(typeof address === 'object' && address !== null)
  const environment = { WAYBILL_API_LISTEN: `127.0.0.1:${address.port}` }
  const words = ['serve', '--roles', 'coordinator,worker,verifier,api']
  const end = await runProgram(words, { ...placeOf(context), environment })
  assert.match(end.notices, /API_NOT_STARTED: .*EADDRINUSE/)
  assert.match(end.notices, /caught up with the log/)
  assert.doesNotMatch(end.notices, /partitions owned/)
})
