import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { hostileNames } from './hostile-names.ts'
import { makeHostileTree, removeHostileTree } from './hostile-tree.ts'

const MiB = 1024 * 1024

test('the hostile names are legal and all different', () => {
  for (const name of hostileNames) {
    assert.ok(name.length > 0 && name.length <= 255 && !name.includes(0) && !name.includes('/'), name.toString('hex'))
  }
  assert.equal(new Set(hostileNames.map((name) => name.toString('hex'))).size, hostileNames.length)
})

test('the manifest names what another program finds, byte for byte, and the same seed gives the same bytes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-hostile-'))
  try {
    const manifest = makeHostileTree(join(folder, 'tree'), { seed: 'a', largestBytes: 6 * MiB })
    const found = execFileSync('find', ['-mindepth', '1', '-printf', '%y %m %s %P\\0'], {
      cwd: join(folder, 'tree'),
      encoding: 'buffer',
      maxBuffer: 64 * MiB,
    })
    const letters = { file: ['f'], directory: ['d'], symlink: ['l'], special: ['p', 's'] } as const
    const records = found.toString('latin1').split('\0').slice(0, -1)
    const byName = new Map(records.map((record) => [record.split(' ').slice(3).join(' '), record.split(' ')]))
    assert.equal(byName.size, manifest.length)
    for (const entry of manifest) {
      const [letter, mode, size] = byName.get(Buffer.from(entry.name, 'base64').toString('latin1')) ?? []
      assert.ok(
        letters[entry.kind].some((one) => one === letter),
        `${entry.name} ${letter}`,
      )
      assert.equal(mode, entry.mode.toString(8), entry.name)
      if (entry.kind === 'file') assert.equal(size, String(entry.size), entry.name)
    }
    const sums = execFileSync('sha256sum', ['sizes/largest', 'sizes/s5242881', 'sizes/s0'], {
      cwd: join(folder, 'tree'),
    })
    for (const line of sums.toString().trim().split('\n')) {
      const [sum, name = ''] = line.split(/ +/)
      assert.equal(manifest.find((entry) => Buffer.from(entry.name, 'base64').equals(Buffer.from(name)))?.sha256, sum)
    }
    assert.ok(statSync(join(folder, 'tree/sizes/largest')).blocks * 512 < MiB, 'the largest file is not sparse')
    const again = makeHostileTree(join(folder, 'again'), { seed: 'a', largestBytes: 6 * MiB })
    const digest = (entries: typeof manifest): string =>
      createHash('sha256')
        .update(entries.map(({ name, sha256 }) => `${name} ${sha256}`).join('\n'))
        .digest('hex')
    assert.equal(digest(again), digest(manifest))
  } finally {
    removeHostileTree(folder)
  }
})
