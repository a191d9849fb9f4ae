import assert from 'node:assert/strict'
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
