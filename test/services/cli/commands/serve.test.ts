import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePort } from '#test/support/cluster-api'
import { createPlace, type ProgramPlace, type RunningProgram, runProgram, startProgram } from '../program.ts'
import { until } from './job-place.ts'

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

/** A place with a small tree, its two connections, and a configuration that names no brokers. */
function treePlace(context: TestContext): ProgramPlace {
  const place = placeOf(context)
  const path = (name: string): string => join(place.folder, name)
  mkdirSync(path('from/tree'), { recursive: true })
  mkdirSync(path('to'))
  for (const name of ['a', 'b', 'c']) writeFileSync(path(`from/tree/${name}`), name.repeat(1000))
  const connections = ['from', 'to'].map((name) => `[connections.${name}]\nlocation = ${JSON.stringify(path(name))}\n`)
  writeFileSync(path('waybill.toml'), connections.join(''))
  return place
}

/** One process with all roles, once it is ready. */
async function startServing(
  context: TestContext,
  place: ProgramPlace,
): Promise<RunningProgram & { readonly url: string }> {
  const url = `http://127.0.0.1:${await freePort()}`
  const environment = { WAYBILL_API_LISTEN: url.slice('http://'.length) }
  const roles = ['--roles', 'coordinator,worker,verifier,api', '--instance', 'all']
  const serving = startProgram(['serve', ...roles, '--config', 'waybill.toml'], { ...place, environment }, 60)
  context.after(() => serving.signal('SIGKILL'))
  await until(() =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return { ...serving, url }
}

async function moveTree(url: string): Promise<void> {
  const body = JSON.stringify({ source_path: '@from/tree', target_path: '@to/tree', job_id: 'small' })
  const headers = { 'content-type': 'application/json' }
  assert.equal((await fetch(`${url}/migrations`, { method: 'POST', headers, body })).status, 202)
  assert.equal(await statusAt(`${url}/migrations/small?wait=60s&status=complete`), 'complete')
}

async function statusAt(address: string): Promise<string> {
  return ((await (await fetch(address)).json()) as { readonly status: string }).status
}

async function stopped(serving: RunningProgram): Promise<string> {
  serving.signal('SIGTERM')
  const end = await serving.end
  assert.equal(end.code, 0, end.notices)
  return end.notices
}

test('one process without brokers does whole jobs, and jobs list and show tell of them over its API', async (context) => {
  const place = treePlace(context)
  const serving = await startServing(context, place)
  const { url } = serving
  const none = await runProgram(['jobs', 'list', '--api', url], place)
  assert.deepEqual([none.code, none.output], [0, `no jobs at ${url}\n`])
  await moveTree(url)
  const listed = await runProgram(['jobs', 'list'], { ...place, environment: { WAYBILL_API: url } })
  assert.match(listed.output, /^small {2}complete {2}2\.93 KiB of 2\.93 KiB read back {2}@from\/tree -> @to\/tree\n$/)
  const asObject = await runProgram(['jobs', 'list', '--api', url, '--json'], place)
  assert.deepEqual(
    JSON.parse(asObject.output).jobs.map((job: { readonly job_id: string }) => job.job_id),
    ['small'],
  )
  const shown = await runProgram(['jobs', 'show', 'small', '--api', url], place)
  assert.match(shown.output, /^small: complete\n from {10}@from\/tree\n[\s\S]*\n verified {6}/)
  const unknown = await runProgram(['jobs', 'show', 'none', '--api', url], place)
  assert.match(unknown.notices, /^waybill: JOB_UNKNOWN: /)
  await stopped(serving)
})

test('a process touches its alive file, and folds the log again when its store is damaged', async (context) => {
  const place = treePlace(context)
  const state = join(place.folder, 'state/waybill/serve/all')
  const serving = await startServing(context, place)
  assert.ok(Date.now() - statSync(join(state, 'alive')).mtimeMs < 60_000)
  await moveTree(serving.url)
  await stopped(serving)
  writeFileSync(join(state, 'store/CURRENT'), 'nonsense\n')
  const again = await startServing(context, place)
  assert.equal(await statusAt(`${again.url}/migrations/small`), 'complete')
  const notices = await stopped(again)
  assert.match(notices, /the state store (?:was|is) damaged: it is moved aside and folded again from the log/)
  assert.equal(readdirSync(state).filter((name) => name.startsWith('store')).length, 2)
})
