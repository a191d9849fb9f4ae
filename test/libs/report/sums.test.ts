import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ReportLeaf } from '#libs/report/leaf'
import { writeWholeFile } from '#libs/report/output'
import { writeSumsFolder } from '#libs/report/sums-folder'
import { writeReport } from '#libs/report/write'
import { hasPrograms, run } from './commands.ts'
import { factsOf, inOrder, leafOf, oddNames, streamOf, temporaryFolder } from './sample.ts'

const chunkBytes = 1000

function write(root: string, name: Buffer, content: Buffer): ReportLeaf {
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), content)
  const count = Math.max(1, Math.ceil(content.length / chunkBytes))
  const chunks = Array.from({ length: count }, (_, index) => {
    const range = content.subarray(index * chunkBytes, (index + 1) * chunkBytes)
    return [index * chunkBytes, range.length, createHash('sha256').update(range).digest('hex')] as const
  })
  return leafOf(name, { size: content.length, chunks })
}

const largeContent = Buffer.alloc(10_500, 'large')

function writeDeepFolder(target: string): readonly ReportLeaf[] {
  mkdirSync(join(target, 'deep\nfolder'))
  return [
    write(target, Buffer.from('deep\nfolder/large'), largeContent),
    write(target, Buffer.from('deep\nfolder/exact'), Buffer.alloc(3000, 'exact')),
  ]
}

/** A small file whose path no program can open at once. */
function writeFarFile(target: string): ReportLeaf {
  const segments = Array.from({ length: 21 }, (_, depth) => `${depth}-`.padEnd(200, 'd'))
  // Only step by step can such a folder be made.
  const script =
    "for (const s of process.argv.slice(1)) { fs.mkdirSync(s); process.chdir(s) } fs.writeFileSync('end', 'far')"
  const made = run(process.execPath, ['-e', script, ...segments], target)
  assert.equal(made.status, 0, made.output)
  const digest = createHash('sha256').update('far').digest('hex')
  return leafOf(Buffer.from([...segments, 'end'].join('/')), { size: 3, chunks: [[0, 3, digest]] })
}

interface Made {
  readonly target: string
  readonly sums: string
}

/** A real folder of hostile names, small and large, and its sums. */
async function make(context: TestContext): Promise<Made> {
  const folder = await temporaryFolder(context)
  const target = join(folder, 'target')
  const sums = join(folder, 'sums')
  mkdirSync(target)
  const leaves = [
    ...oddNames.map((name) => write(target, name, Buffer.from(`content of ${name.toString('hex')}`))),
    ...oddNames
      .filter((name) => name.length < 250)
      .map((name, index) => write(target, Buffer.concat([name, Buffer.from('.2')]), Buffer.alloc(2500, index))),
    ...writeDeepFolder(target),
    write(target, Buffer.from('empty'), Buffer.alloc(0)),
    writeFarFile(target),
    leafOf('lost', { outcome: 'missing', code: 'TARGET_MISSING' }),
    leafOf('link', { kind: 'symlink', link: 'YQ==', size: 1 }),
  ]
  const sorted = inOrder(leaves)
  const path = join(folder, 'report.ndjson')
  await writeWholeFile(path, (sink) =>
    writeReport(sink, { facts: factsOf(sorted), leaves: streamOf(sorted), signingKey: null }),
  )
  const written = await writeSumsFolder(sums, path)
  assert.equal(written.wholeFiles, oddNames.length + 1)
  assert.equal(written.wholeFiles + written.chunkedFiles, leaves.length - 2)
  return { target, sums }
}

test('sha256sum -c accepts SHA256SUMS for every name that Linux can hold, and finds one changed byte', async (context) => {
  if (!hasPrograms(context, ['sha256sum'])) return
  const { target, sums } = await make(context)
  const check = (): ReturnType<typeof run> =>
    run('sha256sum', ['-c', '--strict', '--quiet', join(sums, 'SHA256SUMS')], target)
  const clean = check()
  assert.equal(clean.status, 0, clean.output)
  writeFileSync(join(target, 'back\\slash'), 'changed')
  const dirty = check()
  assert.equal(dirty.status, 1)
  assert.match(dirty.output, /back\\slash: FAILED/)
})

test('check.py accepts CHUNKSUMS, and finds a changed byte, a cut, an appended byte, a link and a missing file', async (context) => {
  if (!hasPrograms(context, ['python3'])) return
  const { target, sums } = await make(context)
  const check = (): ReturnType<typeof run> =>
    run('python3', [join(sums, 'check.py'), join(sums, 'CHUNKSUMS'), target], sums)
  const clean = check()
  assert.equal(clean.status, 0, clean.output)
  assert.match(clean.output, /deep%0Afolder\/large: OK/)
  // Longer than a path may be: sha256sum cannot open it, check.py goes step by step.
  assert.match(clean.output, /20-d+\/end: OK/)
  const folder = join(target, 'deep\nfolder')
  const large = join(folder, 'large')
  const faults: readonly (readonly [RegExp, () => void])[] = [
    [/bytes 4000 to 5000 differ/, () => writeFileSync(large, Buffer.from(largeContent).fill(0, 4321, 4322))],
    [/has 10499 bytes, not 10500/, () => truncateSync(large, 10_499)],
    [/has 10501 bytes, not 10500/, () => appendFileSync(large, 'x')],
    [/cannot be read/, () => unlinkSync(large)],
    [/cannot be read: not a regular file/, () => replace(large, () => run('mkfifo', [large], target))],
    [/cannot be read/, () => replace(large, () => symlinkSync('exact', large))],
    [/cannot be read/, () => replace(folder, () => symlinkSync('elsewhere', folder))],
  ]
  for (const [expected, harm] of faults) {
    harm()
    const { status, output } = check()
    assert.equal(status, 1, output)
    assert.match(output, expected)
    replace(folder, () => writeDeepFolder(target))
    assert.equal(check().status, 0)
  }
})

function replace(path: string, make: () => void): void {
  rmSync(path, { recursive: true })
  make()
}

test('check.py refuses lines it does not understand, and names outside its folder', async (context) => {
  if (!hasPrograms(context, ['python3'])) return
  const { target, sums } = await make(context)
  const digest = 'ab'.repeat(32)
  const lines = [
    'nonsense\n',
    `${digest} 0 5  ../escape\n`,
    `${digest} 0 5  /etc/passwd\n`,
    `${digest} 0 5  a/./b\n`,
    `${digest} 0 5  a//b\n`,
    `\\${digest} 0 5  bad\\x\n`,
    `${digest} 0 5  no end`,
    `${digest} 0 5 one blank\n`,
    `${digest} -1 5  name\n`,
  ]
  for (const line of lines) {
    const list = join(sums, 'list')
    writeFileSync(list, line)
    assert.equal(run('python3', [join(sums, 'check.py'), list, target], sums).status, 2, line)
  }
  assert.equal(run('python3', [join(sums, 'check.py'), join(sums, 'none')], sums).status, 2)
  assert.equal(run('python3', [join(sums, 'check.py')], sums).status, 2)
})

test('check.py is short enough to be read and needs the standard library alone', async (context) => {
  if (!hasPrograms(context, ['python3'])) return
  const { sums } = await make(context)
  const script = run('cat', ['check.py'], sums).output
  assert.ok(script.split('\n').length < 150)
  assert.deepEqual(
    [...script.matchAll(/^import (.*)$/gm)].map((match) => match[1]),
    ['hashlib', 'os', 're', 'stat', 'sys'],
  )
})
