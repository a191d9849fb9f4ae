import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '#libs/domain/errors'
import { moveAside, openRocksStore } from '#libs/store/rocksdb/rocks-store'
import type { StateStore } from '#libs/store/state-store'
import { describeStateStore } from '#test/contracts/state-store.contract'
import { integerBetween, seededRandom } from '#test/support/seeded-random'

function freshFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'rocks-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'store')
}

async function openStore(t: TestContext, folder: string): Promise<StateStore> {
  const store = await openRocksStore({ folder })
  t.after(() => store.close())
  return store
}

describeStateStore('RocksDB store', (t) => openStore(t, freshFolder(t)))

const change = (key: string, value: string): { key: string; value: Buffer } => ({ key, value: Buffer.from(value) })

test('a store that is opened again has what was committed', async (t) => {
  const folder = freshFolder(t)
  for (let life = 1; life < 4; life += 1) {
    const store = await openStore(t, folder)
    const rows = await store.range({ from: '', to: '~', limit: 100 })
    assert.equal(rows.length, life - 1)
    await store.commit([change(`life/${life}`, 'x')])
    await store.close()
  }
})

test('a second opening is refused while the first lives', async (t) => {
  const folder = freshFolder(t)
  const store = await openStore(t, folder)
  await assert.rejects(openRocksStore({ folder }), (error) => codeOf(error) === 'JOB_HELD')
  await store.close()
  await (await openStore(t, folder)).commit([change('a', '1')])
})

test('a folder that cannot be made is refused, and says so', async (t) => {
  const folder = freshFolder(t)
  await (await openStore(t, folder)).close()
  const inside = join(folder, 'CURRENT', 'store')
  await assert.rejects(openRocksStore({ folder: inside }), (error) => codeOf(error) === 'STORE_REFUSED')
})

test('a store is moved aside under another name, and only the last one is kept', async (t) => {
  const folder = freshFolder(t)
  assert.equal(await moveAside(folder), null)
  for (const value of ['1', '2']) {
    const store = await openStore(t, folder)
    assert.deepEqual(await store.getMany(['a']), [undefined])
    await store.commit([change('a', value)])
    await store.close()
    assert.equal(await moveAside(folder), `${folder}.damaged`)
    assert.equal(existsSync(folder), false)
  }
  const aside = await openStore(t, `${folder}.damaged`)
  assert.deepEqual((await aside.getMany(['a'])).map(String), ['2'])
})

/** `position` and every row, which all have one value when no commit was torn. */
async function valuesIn(store: StateStore): Promise<ReadonlySet<string>> {
  const rows = await store.range({ from: '', to: '~', limit: 1000 })
  assert.ok(rows.length === 0 || rows.length === 101, `${rows.length} rows`)
  return new Set(rows.map(({ value }) => value.toString()))
}

test('ten times kill -9 while it commits: no answered commit is lost and none is torn', async (t) => {
  const seed = 2
  const random = seededRandom(seed)
  const folder = freshFolder(t)
  let answered = 0
  for (let life = 0; life < 10; life += 1) {
    const program = join(import.meta.dirname, 'store-process.ts')
    const child = spawn(process.execPath, ['--conditions=source', program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
    await once(child.stdout, 'data')
    await delay(integerBetween(random, 0, 60))
    child.kill('SIGKILL')
    await once(child, 'close')
    answered = Number(printed.split('\n').at(-2))
    const store = await openStore(t, folder)
    const values = [...(await valuesIn(store))]
    await store.close()
    assert.equal(values.length, 1, `seed ${seed}, life ${life}: a torn commit`)
    assert.ok(Number(values[0]) >= answered, `seed ${seed}, life ${life}: ${values[0]} of ${answered}`)
  }
  t.diagnostic(`${answered} commits`)
})

/** A store with tables and a write-ahead log, committed in a hundred steps, and closed or killed. */
function killedStore(folder: string): void {
  const program = `
    import { openRocksStore } from '#libs/store/rocksdb/rocks-store'
    const folder = ${JSON.stringify(folder)}
    for (let round = 0; round < 3; round += 1) {
      const store = await openRocksStore({ folder })
      for (let step = 1; step <= 100; step += 1) {
        const value = Buffer.from(String(round * 100 + step))
        const rows = Array.from({ length: 100 }, (_, row) => ({ key: 'row/' + row, value }))
        await store.commit([...rows, { key: 'position', value }])
      }
      if (round < 2) await store.close()
    }
    process.kill(process.pid, 'SIGKILL')`
  try {
    execFileSync(process.execPath, ['--conditions=source', '--input-type=module-typescript', '-e', program])
  } catch (error) {
    assert.ok(error instanceof Error && 'signal' in error && error.signal === 'SIGKILL', String(error))
  }
}

test('one flipped bit in any file gives an error or a state that once was, never a wrong one', async (t) => {
  const seed = 3
  const random = seededRandom(seed)
  const folder = freshFolder(t)
  killedStore(folder)
  const files = readdirSync(folder).filter((name) => /^(\d+\.(sst|log)|MANIFEST-.*|CURRENT)$/.test(name))
  const found = { error: 0, right: 0 }
  for (let flip = 0; flip < 60; flip += 1) {
    const copy = `${folder}.${flip}`
    cpSync(folder, copy, { recursive: true })
    const name = files[flip % files.length] ?? ''
    const bytes = readFileSync(join(copy, name))
    const at = integerBetween(random, 0, Math.max(0, bytes.length - 1))
    if (bytes.length > 0) bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << integerBetween(random, 0, 7)), at)
    writeFileSync(join(copy, name), bytes)
    const place = `seed ${seed}, flip ${flip}: byte ${at} of ${name}`
    try {
      const store = await openRocksStore({ folder: copy })
      try {
        const values = await valuesIn(store)
        const [position] = await store.getMany(['position'])
        assert.ok(values.size <= 1 && (values.size === 0 || values.has(`${position}`)), place)
      } finally {
        await store.close()
      }
      found.right += 1
    } catch (error) {
      assert.equal(codeOf(error), 'STORE_DAMAGED', `${place}: ${error}`)
      found.error += 1
    }
    rmSync(copy, { recursive: true })
  }
  t.diagnostic(`${found.error} errors, ${found.right} earlier or untouched states`)
})

test('a store without one of its tables is damaged', async (t) => {
  const folder = freshFolder(t)
  killedStore(folder)
  const table = readdirSync(folder).find((name) => name.endsWith('.sst')) ?? assert.fail('no table')
  rmSync(join(folder, table))
  await assert.rejects(
    async () => valuesIn(await openStore(t, folder)),
    (error) => codeOf(error) === 'STORE_DAMAGED',
  )
})

const skip = process.getuid?.() !== 0 && 'not root: no file system of a given size can be mounted'

test('a full disk refuses commits; with space again the same handle goes on, and no commit is torn', {
  skip,
}, async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'small-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk])
  t.after(() => {
    execFileSync('umount', ['--lazy', disk])
    rmdirSync(disk)
  })
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(4 * 1024 * 1024))
  const store = await openRocksStore({ folder: join(disk, 'store') })
  let answered = 0
  const commit = async (number: number): Promise<void> => {
    const value = Buffer.concat([Buffer.from(`${number} `), Buffer.alloc(2000, number % 251)])
    const rows = Array.from({ length: 100 }, (_, row) => ({ key: `row/${row}`, value }))
    await store.commit([...rows, { key: 'position', value }])
    answered = number
  }
  await assert.rejects(async () => {
    for (let number = 1; number < 100; number += 1) await commit(number)
  }, /STORE_FULL/)
  assert.ok(answered > 3, `${answered} commits`)
  await assert.rejects(commit(1000), /STORE_FULL/, 'still no space')
  rmSync(ballast)
  const values = [...(await valuesIn(store))].map((value) => Number.parseInt(value, 10))
  assert.ok(values.length === 1 && (values[0] ?? 0) >= answered, `${values} of ${answered}`)
  await commit(2000)
  assert.deepEqual(
    [...(await valuesIn(store))].map((value) => Number.parseInt(value, 10)),
    [2000],
  )
  await store.close()
  assert.ok(statSync(disk).isDirectory())
})
