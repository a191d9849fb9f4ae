import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { showName } from '#libs/domain/name-text'
import { writeCsv } from '#libs/report/csv'
import type { ReportLeaf } from '#libs/report/leaf'
import { writeWholeFile } from '#libs/report/output'
import { writeReport } from '#libs/report/write'
import { hasPrograms, run } from './commands.ts'
import { factsOf, inOrder, leafOf, oddNames, sampleLeaves, streamOf, temporaryFolder } from './sample.ts'

/** RFC 4180: rows end with CR LF, cells with quotes, commas or line ends are quoted. */
function parseCsv(text: string): readonly (readonly string[])[] {
  assert.ok(text.endsWith('\r\n'))
  const rows: string[][] = [[]]
  for (const [, quoted, plain = '', end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end === '\r\n') rows.push([])
  }
  return rows.slice(0, -1)
}

async function render(context: TestContext, leaves: readonly ReportLeaf[]): Promise<{ folder: string; text: string }> {
  const folder = await temporaryFolder(context)
  const path = join(folder, 'report.ndjson')
  const content = { facts: factsOf(leaves), leaves: streamOf(leaves), signingKey: null }
  await writeWholeFile(path, (sink) => writeReport(sink, content))
  await writeWholeFile(join(folder, 'report.csv'), (sink) => writeCsv(sink, path))
  return { folder, text: await readFile(join(folder, 'report.csv'), 'utf8') }
}

test('csv has one row an item with its raw name in base64, and the root in its last rows', async (context) => {
  const leaves = sampleLeaves()
  const { text } = await render(context, leaves)
  const [head = [], ...rows] = parseCsv(text)
  assert.ok(rows.every((row) => row.length === head.length))
  const column = (name: string): readonly (string | undefined)[] => rows.map((row) => row[head.indexOf(name)])
  assert.deepEqual(
    column('name_base64').slice(0, leaves.length),
    leaves.map(({ name }) => (/^[+=]/.test(name) ? `'${name}` : name)),
  )
  assert.deepEqual(column('kind').slice(leaves.length), ['report_verdict', 'report_merkle_root', 'report_digest'])
  assert.match(column('sha256').at(-2) ?? '', /^[0-9a-f]{64}$/)
})

test('no cell starts with what a spreadsheet would run', async (context) => {
  const leaves = inOrder(oddNames.map((name) => leafOf(name, { seal: name.toString('latin1') })))
  const { text } = await render(context, leaves)
  for (const row of parseCsv(text)) for (const cell of row) assert.doesNotMatch(cell, /^[=+\-@\t\r]/)
})

test('another reader of csv finds the same cells', async (context) => {
  if (!hasPrograms(context, ['python3'])) return
  const { folder, text } = await render(context, sampleLeaves())
  const program = 'import csv,json;print(json.dumps(list(csv.reader(open("report.csv",newline="",encoding="utf-8")))))'
  await writeFile(join(folder, 'read.py'), program)
  assert.deepEqual(JSON.parse(run('python3', ['read.py'], folder).output), parseCsv(text))
})

test('shown names hide nothing, differ as the names do, and decode back to their bytes', () => {
  const shown = oddNames.map((name) => showName(name))
  assert.equal(new Set(shown).size, oddNames.length)
  for (const [index, text] of shown.entries()) {
    assert.doesNotMatch(text, /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u)
    const pieces = text.split(/%([0-9A-F]{2})/).map((piece, at) => Buffer.from(piece, at % 2 === 1 ? 'hex' : 'utf8'))
    assert.deepEqual(Buffer.concat(pieces), oddNames[index])
  }
})
