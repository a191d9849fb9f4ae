import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, linkSync, lstatSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { getAttribute, setAttribute, setTimes, syncFileSystem, tryLock } from '#libs/runtime/native'

const folder = mkdtempSync(join(tmpdir(), 'native-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function freshFile(name: string | Buffer): Buffer {
  const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)])
  writeFileSync(path, 'x')
  return path
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Error && 'code' in error && error.code === code && 'errno' in error
}

function triesFromAnotherProcess(path: Buffer): string {
  const program = `
    import { openSync } from 'node:fs'
    import { tryLock } from '#libs/runtime/native'
    console.log(tryLock(openSync(Buffer.from('${path.toString('hex')}', 'hex'), 'r+')))`
  const child = spawnSync(process.execPath, ['--conditions=source', '--input-type=module-typescript', '-e', program], {
    encoding: 'utf8',
  })
  return child.stdout.trim() + child.stderr
}

test('a lock is held against another process until its file is closed', () => {
  const path = freshFile('lock')
  const fd = openSync(path, 'r+')
  assert.equal(tryLock(fd), true)
  assert.equal(tryLock(fd), true, 'taking it again through the same file is no conflict')
  const second = openSync(path, 'r+')
  assert.equal(tryLock(second), false)
  closeSync(second)
  assert.equal(triesFromAnotherProcess(path), 'false')
  closeSync(fd)
  assert.equal(triesFromAnotherProcess(path), 'true')
})

test('a lock on what is no open file is an error, not a refusal', () => {
  assert.throws(() => tryLock(9999), isCode('EBADF'))
})

test('an attribute comes back byte for byte, also a long one and under a name that is not UTF-8', (context) => {
  const path = freshFile(Buffer.from([0x61, 0xff, 0xfe, 0x0a]))
  try {
    setAttribute(path, 'user.waybill', Buffer.from('job/1/1'))
  } catch (error) {
    if (isCode('ENOTSUP')(error)) return context.skip('this file system keeps no extended attributes')
    throw error
  }
  assert.equal(getAttribute(path, 'user.waybill')?.toString(), 'job/1/1')
  const long = Buffer.alloc(2000, 0xfe)
  setAttribute(path, 'user.waybill', long)
  assert.deepEqual(getAttribute(path, 'user.waybill'), long)
  setAttribute(path, 'user.waybill', Buffer.alloc(0))
  assert.equal(getAttribute(path, 'user.waybill')?.length, 0)
  const other = Buffer.concat([path, Buffer.from('.link')])
  linkSync(path, other)
  assert.equal(getAttribute(other, 'user.waybill')?.length, 0, 'the attribute is of the inode')
})

test('an absent attribute is null, an absent file is an error', () => {
  const path = freshFile('bare')
  assert.equal(getAttribute(path, 'user.nothing'), null)
  assert.equal(getAttribute(Buffer.from('/proc/self/status'), 'user.nothing'), null, 'a file system without attributes')
  const gone = Buffer.from(`${folder}/gone`)
  assert.throws(() => getAttribute(gone, 'user.nothing'), isCode('ENOENT'))
  assert.throws(() => setAttribute(gone, 'user.waybill', Buffer.from('x')), isCode('ENOENT'))
})

test('a link is asked itself and never what it points to', () => {
  const path = freshFile('pointed')
  const link = Buffer.from(`${folder}/link`)
  symlinkSync(path, link)
  assert.equal(getAttribute(link, 'user.waybill'), null)
  assert.throws(() => setAttribute(link, 'user.waybill', Buffer.from('x')), isCode('EPERM'))
  const before = lstatSync(path, { bigint: true }).mtimeNs
  setTimes(link, { atimeNs: 5n, mtimeNs: 7n })
  assert.equal(lstatSync(link, { bigint: true }).mtimeNs, 7n)
  assert.equal(lstatSync(path, { bigint: true }).mtimeNs, before)
})

test('times are kept to the nanosecond, before 1970 and after 2106', () => {
  const path = freshFile('times')
  const seconds2106 = 4_300_000_000n
  for (const mtimeNs of [0n, 1n, -1n, -1_500_000_000n, 1_700_000_000_123_456_789n, seconds2106 * 1_000_000_000n + 9n]) {
    setTimes(path, { atimeNs: mtimeNs + 1n, mtimeNs })
    const stats = lstatSync(path, { bigint: true })
    // Node builds ns from two signed numbers; before 1970 they must still add up to what was set.
    assert.equal(stats.mtimeNs, mtimeNs)
    assert.equal(stats.atimeNs, mtimeNs + 1n)
  }
})

test('a path with a NUL byte is refused before libc can cut it short', () => {
  assert.throws(() => setTimes(Buffer.from('/tmp/a\0b'), { atimeNs: 0n, mtimeNs: 0n }), TypeError)
})

test('a file system is made durable through any open file of it, and a bad descriptor is told', async () => {
  const fd = openSync(folder, 'r')
  assert.equal(await syncFileSystem(fd), process.platform === 'linux')
  closeSync(fd)
  assert.equal(await syncFileSystem(1_000_000), false)
})
