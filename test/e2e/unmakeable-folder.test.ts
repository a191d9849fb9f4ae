import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { createJobPlace, writeSmallTree } from '../services/cli/commands/job-place.ts'

const cases: readonly { readonly words: readonly string[]; readonly code: number; readonly says: RegExp }[] = [
  { words: ['migrate', 'source', 'target', '--state-dir', '/proc/x9'], code: 3, says: /STATE_NOT_WRITABLE/ },
  { words: ['migrate', 'source', '/proc/x9'], code: 3, says: /TARGET_NOT_WRITABLE/ },
  { words: ['plan', 'source', '/proc/x9/deep'], code: 3, says: /TARGET_NOT_WRITABLE/ },
  {
    words: ['serve', '--roles', 'coordinator,worker,verifier', '--state-dir', '/proc/x9'],
    code: 3,
    says: /STATE_NOT_WRITABLE/,
  },
  { words: ['doctor', 'nope', '/proc/x9'], code: 3, says: /TARGET_NOT_WRITABLE/ },
]

for (const { words, code, says } of cases) {
  // The program is killed after 30 seconds: then it has no exit code.
  test(`${words.join(' ')}: a folder that cannot be made is named, and nothing hangs`, async (t) => {
    if (!existsSync('/proc/self')) return t.skip('no /proc here')
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    const end = await place.run(...words)
    assert.equal(end.code, code, end.notices)
    assert.match(end.notices + end.output, says)
    assert.match(end.notices + end.output, /\/proc\/x9/)
  })
}
