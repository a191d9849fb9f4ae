// A disk that answers with errors, by strace changing what the kernel says to a child process.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openFileTarget } from '#libs/target/files/file-target'
import type { TargetAbilities } from '#schemas/records'
import { job, probed, scratch } from './file-fixture.ts'

const program = join(import.meta.dirname, 'one-put.ts')

interface Fault {
  /** As strace's `inject=`. */
  readonly inject: string
  readonly files: number
  /** Abilities found without the fault; null: the child probes under it. */
  readonly abilities: TargetAbilities | null
}

/** What the child said of its puts, their settle and one part; null, having skipped the test, where nothing can be injected. */
function saidUnder(t: TestContext, root: string, { inject, files, abilities }: Fault): string[] | null {
  const traced = ['-f', '-o', '/dev/null', '-e', `inject=${inject}`, process.execPath, '--conditions=source', program]
  const found = abilities === null ? [] : [JSON.stringify(abilities)]
  const child = spawnSync('strace', [...traced, root, `${files}`, ...found], { encoding: 'utf8' })
  if (child.error !== undefined || child.stdout === '') {
    t.skip(`strace injects nothing here: ${child.error?.message ?? child.stderr}`)
    return null
  }
  return child.stdout.trim().split('\n')
}

test('an error of a sync after the write takes the file away from its final name', (t) => {
  const root = scratch(t)
  const said = saidUnder(t, root, { inject: 'fdatasync:error=EIO', files: 1, abilities: null })
  if (said === null) return
  assert.deepEqual(said, ['put done', 'settle TARGET_WRITE_ERROR', 'part TARGET_WRITE_ERROR'])
  assert.equal(existsSync(join(root, 'folder/file-0')), false)
})

test('an error of the sync of all is traced to the file that has it', (t) => {
  const root = scratch(t)
  const said = saidUnder(t, root, { inject: 'syncfs:error=EIO', files: 6, abilities: null })
  if (said === null) return
  assert.deepEqual(said, ['put done', 'settle done', 'part done'], 'each file could be synced by itself')
  assert.equal(readdirSync(join(root, 'folder')).length, 6)
})

test('an error of a write leaves neither a file nor a temporary one', async (t) => {
  const root = scratch(t)
  const abilities = await probed(openFileTarget({ root, job }))
  for (const [error, code] of [
    ['EIO', 'TARGET_WRITE_ERROR'],
    ['ENOSPC', 'TARGET_FULL'],
    ['EDQUOT', 'TARGET_FULL'],
    ['EROFS', 'TARGET_NOT_WRITABLE'],
  ] as const) {
    const said = saidUnder(t, root, { inject: `pwrite64:error=${error}`, files: 1, abilities })
    if (said === null) return
    assert.deepEqual(said, [`put ${code}`, 'settle done', `part ${code}`])
    assert.equal(existsSync(join(root, 'folder/file-0')), false)
    const folder = join(root, '.waybill', job)
    const left = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('/'))
    assert.deepEqual(left, [])
  }
})

test('where hard links are refused a file still gets its name, and a taken name is still refused', (t) => {
  const root = scratch(t)
  const fault = { inject: 'link:error=EPERM', files: 1, abilities: null }
  const said = saidUnder(t, root, fault)
  if (said === null) return
  assert.deepEqual(said, ['put done', 'settle done', 'part done'])
  assert.deepEqual(saidUnder(t, root, fault), ['put TARGET_EXISTS', 'settle done', 'part done'])
})

test('where no extended attributes are kept the put says so and succeeds', (t) => {
  const root = scratch(t)
  const said = saidUnder(t, root, { inject: 'lsetxattr:error=EOPNOTSUPP', files: 1, abilities: null })
  if (said === null) return
  assert.deepEqual(said, ['put done MARK_NOT_KEPT', 'settle done', 'part done'])
})
