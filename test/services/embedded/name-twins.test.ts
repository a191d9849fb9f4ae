import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchTwins } from '#services/embedded/name-twins'

function twinsOf(...names: readonly string[]): readonly string[] {
  const search = searchTwins()
  return names.filter((name) => search.isTwin(Buffer.from(name)))
}

test('names of one directory that differ in case or Unicode form are twins', () => {
  assert.deepEqual(twinsOf('A', 'a'), ['a'])
  assert.deepEqual(twinsOf('caf\u00e9', 'cafe\u0301'), ['cafe\u0301'])
  assert.deepEqual(twinsOf('A', 'A.txt', 'b'), [])
})

test('names of different directories are no twins, and a directory is remembered over what is in others', () => {
  assert.deepEqual(twinsOf('B', 'B/x', 'B/y', 'B/y/X', 'b'), ['b'])
  assert.deepEqual(twinsOf('a', 'a/Z', 'a.d', 'a.d/Z', 'a.d/z', 'c', 'c/z'), ['a.d/z'])
})
