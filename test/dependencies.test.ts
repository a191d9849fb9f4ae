import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

test('every dependency has its reason and its licence in docs/dependencies.md, and is pinned', () => {
  const { dependencies, devDependencies }: Manifest = JSON.parse(read('package.json'))
  const sections = read('docs/dependencies.md').split(/^### /m).slice(1)
  const documented = sections.map((section) => section.split('\n')[0] ?? '')
  assert.deepEqual(new Set(documented), new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)]))
  for (const section of sections) assert.match(section, /\b(MIT|Apache-2\.0|BSD-3-Clause|ISC)\b/, section)
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned to one version`)
  }
})
