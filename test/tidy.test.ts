// The house rules, kept by the repository itself. Each rule is shown to fail on a small bad sample first.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import test from 'node:test'
import { filesBelow } from './support/tree-files.ts'
import { importRules } from './tidy/import-rules.ts'
import { kafkaRules } from './tidy/kafka-rules.ts'
import { purityRules } from './tidy/purity-rules.ts'
import { sizeRules } from './tidy/size-rules.ts'
import { type SourceFile, sourceFile } from './tidy/source-file.ts'
import { textRules } from './tidy/text-rules.ts'

const root = join(import.meta.dirname, '..')
const skips = ['node_modules', 'dist', '.git', '.servers', 'samples', 'sample-copy', 'golden', 'avsc']

function repository(): readonly SourceFile[] {
  return filesBelow(root, { skips })
    .map((path) => relative(root, path))
    .filter((path) => /\.(ts|js|c|h|py|md|sh)$/.test(path) || path === '.ci/run')
    .map((path) => sourceFile({ path, text: readFileSync(join(root, path), 'utf8') }))
}

const tree = repository()

for (const rule of [...sizeRules, ...importRules, ...purityRules, ...kafkaRules, ...textRules]) {
  test(rule.promise, () => {
    for (const sample of rule.bad) {
      assert.notDeepEqual(rule.check(sample.map(sourceFile)), [], `the rule misses ${JSON.stringify(sample)}`)
    }
    for (const sample of rule.good) {
      assert.deepEqual(rule.check(sample.map(sourceFile)), [], `the rule refuses ${JSON.stringify(sample)}`)
    }
    const places = rule.check(tree).map(({ path, line, what }) => `  ${path}:${line} ${what}`)
    assert.equal(places.length, 0, `${rule.promise}, because ${rule.reason}\n${places.join('\n')}`)
  })
}
