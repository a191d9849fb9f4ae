import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { foundEntries, missingFrom, runPython } from '../support/foreign-tools.ts'
import { makeHostileTree, removeHostileTree } from '../support/hostile-tree.ts'
import { runObjectOf, runWaybill } from '../support/waybill-process.ts'

test('everything that Linux can hold moves to a folder: find sees no difference, the report names every entry', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-hostile-'))
  t.after(() => removeHostileTree(folder))
  const [source, target, home] = [join(folder, 'source'), join(folder, 'target'), join(folder, 'home')]
  mkdirSync(home)
  const manifest = makeHostileTree(source, { seed: 'e2e', largestBytes: 1024 * 1024 })
  const run = runObjectOf(await runWaybill(['migrate', source, target, '--json', '-q'], { home }))
  assert.equal(run.exit_code, 0)
  assert.equal(run.items.listed, manifest.length)
  const isMoved = (line: string): boolean => !/^[ps] /.test(line)
  for (const format of ['%y %m %l %P', '%y %T@ %U %G %P']) {
    const [before, after] = [foundEntries(source, format), foundEntries(target, format)]
    assert.deepEqual(missingFrom(after, before).filter(isMoved), [])
    assert.deepEqual(missingFrom(before, after), [])
  }
  const check = runPython('report-check.py', [run.report_path])
  assert.equal(check.code, 0, check.output)
  assert.match(check.output, new RegExp(`^whole: ${manifest.length} items, `))
})
