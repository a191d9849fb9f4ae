import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { problemTable } from '#schemas/api/problems'
import { type Route, routeTable } from '#schemas/api/routes'
import { describeApi, descriptionText } from '#services/api/openapi'
import { startApiWorld } from '#test/support/api-world'

const docs = join(import.meta.dirname, '../../../docs')

test('docs/openapi.json is what the routes say; `npm run generate` writes it', () => {
  assert.equal(readFileSync(join(docs, 'openapi.json'), 'utf8'), descriptionText())
})

test('every reference of the description leads somewhere', () => {
  const text = JSON.stringify(describeApi())
  const { components } = JSON.parse(text)
  const names = [...text.matchAll(/"#\/components\/schemas\/([A-Za-z]+)"/g)].map((match) => match[1] ?? '')
  assert.ok(names.length > 20)
  for (const name of names) assert.ok(name in components.schemas, name)
})

test('docs/api.md tells every route and every problem', () => {
  const text = readFileSync(join(docs, 'api.md'), 'utf8')
  for (const { method, path } of Object.values<Route>(routeTable))
    assert.ok(text.includes(`${method} ${path}`), `${method} ${path}`)
  for (const [code, { status }] of Object.entries(problemTable))
    assert.ok(text.includes(`| ${status} | \`${code}\``), code)
})

test('every problem that is told of is one that something answers with', () => {
  const folders = ['services/api', 'libs/runtime'].map((name) => join(docs, '..', name))
  const sources = folders.flatMap((folder) =>
    readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')),
  )
  for (const code of Object.keys(problemTable))
    assert.ok(
      sources.some((text) => text.includes(`'${code}'`)),
      code,
    )
})

test('/openapi.json and /docs are served, and /docs loads nothing and runs nothing', async () => {
  const world = await startApiWorld()
  try {
    const description = await world.call('/openapi.json')
    assert.deepEqual(description.body, JSON.parse(descriptionText()))
    const page = await world.call('/docs')
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    assert.doesNotMatch(page.text, /<script|<link|<img|src=|@import|url\(/i)
    const links = [...page.text.matchAll(/href="([^"]*)"/g)].map((match) => match[1] ?? '')
    for (const link of links) assert.match(link, /^(#[A-Za-z]+|\/openapi\.json)$/)
    assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'sha256-/)
  } finally {
    await world.close()
  }
})
