// Rights taken away (in a child that is not root) and errors of the disk (put in by strace).
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nobody, notAsNobody } from '../../../support/nobody.ts'
import { isRoot, TreeFixture } from './tree-fixture.ts'

const child = fileURLToPath(new URL('./faulty-child.ts', import.meta.url))
const fixtures: TreeFixture[] = []
after(async () => {
  for (const fixture of fixtures) await fixture.close()
})

function freshTree(): TreeFixture {
  const fixture = new TreeFixture()
  fixtures.push(fixture)
  fs.chmodSync(fixture.root, 0o755)
  return fixture
}

function linesOf(output: { stdout: string; stderr: string }): unknown[] {
  assert.equal(output.stderr, '')
  return output.stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}

function asNobody(root: string): unknown[] {
  const user = isRoot ? { uid: nobody, gid: nobody } : {}
  const args = ['--conditions=source', child, root]
  return linesOf(spawnSync(process.execPath, args, { encoding: 'utf8', env: {}, ...user }))
}

test('without the rights each entry says so, and what may be read is read', { skip: isRoot && notAsNobody() }, () => {
  const fixture = freshTree()
  for (const name of [
    'closed/x',
    'listed-only/x',
    'passed-only/x',
    'open/denied',
    'open/free',
    'open/in/open/x',
    'open/in/z',
  ]) {
    fixture.write(name, Buffer.from(name))
  }
  fs.chmodSync(fixture.path('open/denied'), 0)
  fs.chmodSync(fixture.path('closed'), 0)
  fs.chmodSync(fixture.path('open/in/open'), 0)
  fs.chmodSync(fixture.path('listed-only'), 0o444)
  fs.chmodSync(fixture.path('passed-only'), 0o111)
  assert.deepEqual(asNobody(fixture.root), [
    ['listed', 'closed', 'directory', 'failed', 'SOURCE_UNREADABLE'],
    ['listed', 'listed-only', 'directory', null, null],
    ['listed', 'listed-only/x', 'file', 'failed', 'SOURCE_UNREADABLE'],
    ['listed', 'open', 'directory', null, null],
    ['listed', 'open/denied', 'file', null, null],
    ['listed', 'open/free', 'file', null, null],
    ['listed', 'open/in', 'directory', null, null],
    ['listed', 'open/in/open', 'directory', 'failed', 'SOURCE_UNREADABLE'],
    ['listed', 'open/in/z', 'file', null, null],
    ['listed', 'passed-only', 'directory', 'failed', 'SOURCE_UNREADABLE'],
    ['open', 'open/denied', 'SOURCE_UNREADABLE'],
    ['read', 'open/free'],
    ['read', 'open/in/z'],
  ])
})

test('a root that may not be read is an error, not an empty source', { skip: isRoot && notAsNobody() }, () => {
  const fixture = freshTree()
  fs.chmodSync(fixture.root, 0)
  assert.deepEqual(asNobody(fixture.root), [['list', 'SOURCE_UNREADABLE']])
})

const hasStrace = spawnSync('strace', ['-V']).status === 0
const withoutStrace = hasStrace ? {} : { skip: 'strace is not installed' }

/** strace counts calls per thread, so the pool has one. `-P` limits the errors to the path. */
function withError(root: string, name: string, injection: string): unknown[] {
  const call = injection.slice(0, injection.indexOf(':'))
  const path = fs.realpathSync(root) + (name === '' ? '' : `/${name}`)
  const args = ['-f', '-qq', '-o', '/dev/null', '-P', path, '-e', `trace=${call}`, '-e', `inject=${injection}`]
  const command = [...args, process.execPath, '--conditions=source', child, root]
  return linesOf(spawnSync('strace', command, { encoding: 'utf8', env: { UV_THREADPOOL_SIZE: '1' } }))
}

test('a read error of the disk is one that may pass', withoutStrace, () => {
  const fixture = freshTree()
  fixture.write('f', Buffer.from('bytes'))
  const lines = withError(fixture.root, 'f', 'pread64:error=EIO')
  assert.deepEqual(lines.at(-1), ['read', 'f', 'SOURCE_READ_ERROR'])
})

test('a handle that went stale is opened again once, and the version compared', withoutStrace, () => {
  const fixture = freshTree()
  fixture.write('f', Buffer.from('bytes'))
  assert.deepEqual(withError(fixture.root, 'f', 'pread64:error=ESTALE:when=1').at(-1), ['read', 'f'])
  const always = withError(fixture.root, 'f', 'pread64:error=ESTALE')
  assert.deepEqual(always.at(-1), ['read', 'f', 'SOURCE_READ_ERROR'])
})

test('a read that the kernel cuts into pieces still fills the buffer', withoutStrace, () => {
  const fixture = freshTree()
  fixture.write('f', Buffer.from('bytes'))
  assert.deepEqual(withError(fixture.root, 'f', 'pread64:retval=1').at(-1), ['read', 'f'])
  assert.deepEqual(withError(fixture.root, 'f', 'pread64:retval=0').at(-1), ['read', 'f', 'SOURCE_SHORT_READ'])
})

test('a directory that the disk cannot read is a failed entry, and its neighbours are listed', withoutStrace, () => {
  const fixture = freshTree()
  for (const name of ['a/x', 'd/x', 'e/x']) fixture.write(name, Buffer.from('x'))
  const lines = withError(fixture.root, 'd', 'getdents64:error=EIO')
  assert.deepEqual(lines.slice(0, 5), [
    ['listed', 'a', 'directory', null, null],
    ['listed', 'a/x', 'file', null, null],
    ['listed', 'd', 'directory', 'failed', 'SOURCE_READ_ERROR'],
    ['listed', 'e', 'directory', null, null],
    ['listed', 'e/x', 'file', null, null],
  ])
})

test('a root that the disk cannot read is an error, not an empty source', withoutStrace, () => {
  const fixture = freshTree()
  fixture.write('d/x', Buffer.from('x'))
  assert.deepEqual(withError(fixture.root, '', 'getdents64:error=EIO'), [['list', 'SOURCE_READ_ERROR']])
})

test('running out of descriptors is an error of the listing, never of an item', () => {
  const fixture = freshTree()
  fixture.write(`${'d/'.repeat(30)}x`, Buffer.from('x'))
  const run = (spare: number): unknown[] => {
    const command = `ulimit -n 100; exec "$0" --conditions=source "$1" "$2" ${spare}`
    return linesOf(
      spawnSync('sh', ['-c', command, process.execPath, child, fixture.root], { encoding: 'utf8', env: {} }),
    )
  }
  assert.deepEqual(run(40).at(-1), ['read', `${'d/'.repeat(30)}x`])
  assert.deepEqual(run(10), [['list', 'SOURCE_READ_ERROR']])
})
