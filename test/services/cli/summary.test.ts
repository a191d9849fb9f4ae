import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ExitCode, emptyTotals } from '#libs/domain/report'
import { collectProblems } from '#services/cli/problem-groups'
import { type RunSummary, summaryObject, summaryText } from '#services/cli/summary'

const words = { migrate: ['waybill', 'migrate', 'a', 'b'], place: ['--state-dir', 's'] }

function summaryOf(exitCode: ExitCode, aim: RunSummary['aim'] = 'migrate'): RunSummary {
  const problems = collectProblems()
  const read = { source_sha256: 'aa', target_sha256: 'bb' }
  for (const name of ['x/1', 'x/2', 'x/3', 'x/4'])
    problems.add({
      name: Buffer.from(name),
      outcome: 'mismatched',
      code: 'DIGEST_MISMATCH',
      differences: [{ offset: 64, length: 32, ...read }],
    })
  problems.add({ name: Buffer.from('pipe'), outcome: 'skipped', code: 'SPECIAL_FILE', differences: [] })
  const header = { job: 'tides', pass: 2, listed: { items: 5, bytes: 9 }, findings: {}, notes: [], vanished: 0 }
  const moved = { source_bytes_read: 0, target_bytes_written: 0, target_bytes_read: 0 }
  return {
    aim,
    header,
    run: { ms: 1_500, moved },
    verdict: { type: 'verdict', status: 'fail', sentence: 'Words.', exit_code: exitCode },
    footer: { totals: emptyTotals, root: 'ee', signer: null },
    reportPath: '/reports/pass-2.ndjson',
    problems: problems.groups(),
    stoppedBecause: null,
  }
}

const nextOf = (exitCode: ExitCode, aim?: RunSummary['aim']): string =>
  /\n next {10}(.*)\n$/.exec(summaryText(summaryOf(exitCode, aim), words))?.[1] ?? ''

test('the last line is the next command to type, for every exit code', () => {
  const report = 'waybill report show tides --format html --output tides.html --state-dir s'
  assert.equal(nextOf(0), report)
  assert.equal(nextOf(1), 'waybill rebuild tides --state-dir s')
  for (const code of [4, 5, 6] as const) assert.equal(nextOf(code), 'waybill explain tides x/1 --state-dir s')
  // What a reading found wrong is repaired by a pass.
  assert.equal(nextOf(5, 'verify'), 'waybill migrate a b')
  for (const code of [2, 3, 7, 8, 10, 11, 130, 143] as const) assert.equal(nextOf(code), 'waybill migrate a b')
  assert.equal(nextOf(12), 'waybill help migrate')
})

test('problems come first, in groups with counts, three samples and the ranges that differ', () => {
  const [first, ...rest] = summaryText(summaryOf(5), words).split('\n')
  assert.match(first ?? '', /^different at the target DIGEST_MISMATCH, 4 items: The stored bytes differ/)
  assert.deepEqual(rest.slice(0, 4), [
    '    x/1',
    '        bytes 64 to 95 (chunk at offset 64, 32 B)',
    '        source sha256 aa',
    '        target sha256 bb',
  ])
  assert.ok(rest.includes('    and 1 more in the report'))
  assert.ok(rest.some((line) => line.startsWith('skipped SPECIAL_FILE, 1 item: ')))
  const told = summaryObject(summaryOf(5)) as { problems: readonly { code: string; count: number }[] }
  assert.deepEqual(
    told.problems.map(({ code, count }) => [code, count]),
    [
      ['DIGEST_MISMATCH', 4],
      ['SPECIAL_FILE', 1],
    ],
  )
})
