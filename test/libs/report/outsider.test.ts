import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeHtml } from '#libs/report/html'
import { writeJson } from '#libs/report/json'
import { generateKeyFiles, loadSigningKey } from '#libs/report/keys'
import type { ReportLeaf } from '#libs/report/leaf'
import { writeWholeFile } from '#libs/report/output'
import { writeReport } from '#libs/report/write'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { hasPrograms, reportCheck, run } from './commands.ts'
import { factsOf, sampleLeaves, streamOf, temporaryFolder } from './sample.ts'

async function write(context: TestContext, leaves: readonly ReportLeaf[], isSigned: boolean): Promise<string> {
  const folder = await temporaryFolder(context)
  await generateKeyFiles(join(folder, 'key.pem'))
  const signingKey = isSigned ? await loadSigningKey(join(folder, 'key.pem')) : null
  const ndjson = join(folder, 'report.ndjson')
  const content = { facts: factsOf(leaves), leaves: streamOf(leaves), signingKey }
  await writeWholeFile(ndjson, (sink) => writeReport(sink, content))
  await writeWholeFile(join(folder, 'report.json'), (sink) => writeJson(sink, ndjson))
  await writeWholeFile(join(folder, 'report.html'), (sink) =>
    writeHtml(sink, ndjson, { shownMax: 10, masterName: 'report.ndjson' }),
  )
  return folder
}

test('a program that shares no code with us finds the same totals, root and digest in both forms', async (context) => {
  if (!hasPrograms(context, ['python3'])) return
  for (const leaves of [sampleLeaves(), [], sampleLeaves().slice(0, 1)]) {
    for (const isSigned of [true, false]) {
      const folder = await write(context, leaves, isSigned)
      for (const name of ['report.ndjson', 'report.json']) {
        const { status, output } = run('python3', [reportCheck, name], folder)
        assert.equal(status, 0, output)
        assert.match(output, new RegExp(`^whole: ${leaves.length} items`))
      }
    }
  }
})

test('that program finds single-byte changes too', async (context) => {
  if (!hasPrograms(context, ['python3'])) return
  const seed = 7
  context.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const folder = await write(context, sampleLeaves(), false)
  const bytes = await readFile(join(folder, 'report.ndjson'))
  for (let round = 0; round < 15; round++) {
    const place = integerBetween(random, 0, bytes.length - 1)
    const copy = Buffer.from(bytes)
    copy[place] = (bytes[place] ?? 0) ^ integerBetween(random, 1, 255)
    await writeFile(join(folder, 'changed'), copy)
    assert.equal(run('python3', [reportCheck, 'changed'], folder).status, 1, `byte ${place}`)
  }
})

/** The commands of the page's last section, as a reader would copy them. */
async function commandsOf(folder: string, title: string): Promise<string> {
  const html = await readFile(join(folder, 'report.html'), 'utf8')
  const [, , commands] = new RegExp(`<h3>(${title})</h3>\\s*<pre>([^<]*)</pre>`).exec(html) ?? []
  assert.ok(commands !== undefined, title)
  const entities: Readonly<Record<string, string>> = {
    '&gt;': '>',
    '&lt;': '<',
    '&quot;': '"',
    '&#39;': "'",
    '&amp;': '&',
  }
  return commands.replace(/&(?:gt|lt|quot|#39|amp);/g, (entity) => entities[entity] ?? '')
}

test('the commands on the page check digest and signature, and notice a change', async (context) => {
  if (!hasPrograms(context, ['bash', 'openssl'])) return
  for (const isSigned of [true, false]) {
    const folder = await write(context, sampleLeaves(), isSigned)
    const whole = await commandsOf(folder, 'The report is whole')
    const digest = /# ([0-9a-f]{64})/.exec(whole)?.[1]
    const summed = run('bash', ['-ec', whole], folder)
    assert.equal(summed.output.slice(0, 64), digest)
    if (!isSigned) continue
    const signature = await commandsOf(folder, 'The signature')
    const checked = run('bash', ['-ec', signature], folder)
    assert.equal(checked.status, 0, checked.output)
    assert.match(checked.output, /Signature Verified Successfully/)
    const ndjson = join(folder, 'report.ndjson')
    const text = await readFile(ndjson, 'latin1')
    await writeFile(ndjson, text.replace(/"items":(\d+),"root"/, '"items":1$1,"root"'), 'latin1')
    assert.notEqual(run('bash', ['-ec', signature], folder).status, 0)
  }
})
