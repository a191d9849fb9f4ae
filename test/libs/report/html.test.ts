import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ReportFacts } from '#libs/report/header'
import { writeHtml } from '#libs/report/html'
import type { ReportLeaf } from '#libs/report/leaf'
import { writeWholeFile } from '#libs/report/output'
import { writeReport } from '#libs/report/write'
import { factsOf, inOrder, leafOf, oddNames, sampleLeaves, streamOf, temporaryFolder } from './sample.ts'

async function render(
  context: TestContext,
  leaves: readonly ReportLeaf[],
  change: Partial<ReportFacts> = {},
  shownMax = 500,
): Promise<string> {
  const folder = await temporaryFolder(context)
  const path = join(folder, 'report.ndjson')
  const page = join(folder, 'report.html')
  const content = { facts: factsOf(leaves, change), leaves: streamOf(leaves), signingKey: null }
  await writeWholeFile(path, (sink) => writeReport(sink, content))
  await writeWholeFile(page, (sink) => writeHtml(sink, path, { shownMax, masterName: 'report.ndjson' }))
  return await readFile(page, 'utf8')
}

const hostile = oddNames.map((name) => name.toString('utf8')).join(' ')
const everywhere: Partial<ReportFacts> = {
  job: hostile,
  software: hostile,
  started_at: hostile,
  source: { location: hostile, root_identity: hostile, read_view: hostile },
  target: { location: hostile },
  configuration: { '<b>': hostile, list: [hostile, { '<i>': hostile }] },
  abilities: { server: hostile },
  notes: [hostile],
  findings: { '<script>': 1, __proto__x: 2 },
}

const allowedTags = new Set(
  (
    'html head meta title style body main header footer section h1 h2 h3 p div strong span bdi code pre ' +
    'table thead tbody tfoot tr th td ul li'
  ).split(' '),
)

test('hostile names and texts become neither tags, nor attributes, nor unseen characters', async (context) => {
  const failed = inOrder(
    oddNames.map((name, index) =>
      leafOf(name, {
        outcome: index % 2 === 0 ? 'failed' : 'skipped',
        code: '<script>alert(1)</script>',
        chunks: [],
        seal: '</style><script>',
        key: Buffer.concat([Buffer.from('<b>'), name]).toString('base64'),
      }),
    ),
  )
  const html = await render(context, failed, everywhere)
  const tags = [...html.matchAll(/<([/a-zA-Z!][^\s>]*)([^>]*)>/g)]
  for (const [whole, name = '', attributes = ''] of tags) {
    if (whole.toLowerCase() === '<!doctype html>') continue
    assert.ok(allowedTags.has(name.replace('/', '')), whole)
    assert.match(attributes, /^( (?:class|scope|lang|charset|name|http-equiv|content)="[^"<>]*")*$/, whole)
  }
  assert.equal(html.match(/<style/g)?.length, 1)
  // Everything left is either plain text or a line end of our own.
  assert.doesNotMatch(html.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u)
})

test('the page loads nothing, and its policy allows its own style sheet alone', async (context) => {
  const html = await render(context, sampleLeaves())
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? ''
  const digest = createHash('sha256').update(style).digest('base64')
  assert.ok(
    html.includes(`content="default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'"`),
  )
  assert.doesNotMatch(html, /\b(?:src|href|style|on[a-z]+)=/)
  assert.doesNotMatch(style, /url\(|@import|@font-face/)
})

test('exceptions come first, each difference with both digests', async (context) => {
  const leaves = sampleLeaves()
  const html = await render(context, leaves)
  const damaged = leaves.find(({ outcome }) => outcome === 'mismatched')
  const [offset, , found] = damaged?.found?.[0] ?? [0, 0, '']
  const read = damaged?.chunks.find(([start]) => start === offset)?.[2] ?? ''
  assert.ok(found !== null && found !== '' && html.includes(found) && html.includes(read))
  const places = [
    '<h2>Exceptions',
    found ?? '',
    '<h2>Totals',
    '<h2>How it was verified',
    '<h2>Check this yourself',
  ].map((text) => html.indexOf(text))
  assert.deepEqual(
    places,
    [...places].sort((left, right) => left - right),
  )
  assert.ok(!places.includes(-1))
})

test('the page stays small: it lists so many of each outcome and says how many more stand in the master', async (context) => {
  const leaves = inOrder(
    Array.from({ length: 1200 }, (_, index) =>
      leafOf(`file ${index}`, { outcome: index % 3 === 0 ? 'missing' : 'failed', code: 'TARGET_MISSING', chunks: [] }),
    ),
  )
  const html = await render(context, leaves, {}, 50)
  assert.equal(html.match(/file \d+</g)?.length, 100)
  assert.match(html, /350 more are not shown here/)
  assert.match(html, /750 more are not shown here/)
  assert.ok(html.includes(`grep -a '"outcome":"missing"' report.ndjson`))
})

test('a page that passed says so, names root and digest, and states its limit', async (context) => {
  const html = await render(context, [leafOf('a')])
  assert.match(html, /<strong>PASS<\/strong>/)
  assert.match(html, /None: every listed item is proven/)
  assert.match(html, /Every listed item has exactly one outcome/)
  assert.match(html, /What this shows, and what it does not/)
  assert.match(html, /Merkle root/)
})
