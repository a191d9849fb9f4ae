// A process that commits until it is killed: in commit n every row of a hundred gets the value n, and so does `position`.
// It prints n once commit n was answered. Its argument: the folder.
import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { openRocksStore } from '#libs/store/rocksdb/rocks-store'

const store = await openRocksStore({ folder: argv[2] ?? '' })
const [last] = await store.getMany(['position'])
for (let number = Number(last ?? 0) + 1; ; number += 1) {
  const value = Buffer.from(`${number}`)
  const rows = Array.from({ length: 100 }, (_, row) => ({ key: `row/${row}`, value }))
  await store.commit([...rows, { key: 'position', value }])
  writeSync(1, `${number}\n`)
}
