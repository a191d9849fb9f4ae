import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  metadataProblem,
  noObjectOptions,
  objectOptionsOf,
  objectOptionsProblem,
  objectOptionsText,
  storageClassProblem,
  tagProblem,
} from '#libs/domain/object-options'

test('options for objects come back from the request as they went in', () => {
  const options = {
    storageClass: 'STANDARD_IA',
    encryption: 'aws:kms',
    encryptionKey: 'arn:aws:kms:eu-central-1:1:key/1',
    metadata: [
      ['project', 'harbour archive'],
      ['team', 'a=b'],
    ],
    tags: [['class', 'cold data']],
  } as const
  assert.equal(objectOptionsProblem(options), null)
  assert.deepEqual(objectOptionsOf(Object.fromEntries(objectOptionsText(options))), options)
  assert.deepEqual(objectOptionsOf({ endpoint: 'http://host', region: 'x' }), noObjectOptions)
})

test('metadata that waybill sets itself, or that a header cannot carry, is refused', () => {
  for (const name of ['mtime', 'mode', 'uid', 'gid', 'waybill', 'waybill-kind', 'waybill-new'])
    assert.equal(metadataProblem([name, 'x']), `"${name}" is set by waybill itself`)
  assert.equal(metadataProblem(['team', 'harbour archive']), null)
  for (const pair of [
    ['', 'x'],
    ['a b', 'x'],
    ['Team', 'x'],
    ['team', ''],
    ['team', ' x'],
    ['team', 'ü'],
    ['team', 'a\nb'],
  ] as const)
    assert.notEqual(metadataProblem(pair), null, pair.join('='))
})

test('tags, classes and what contradicts itself are refused in words', () => {
  assert.equal(tagProblem(['Größe', 'a+b: /@_-=.']), null)
  for (const pair of [
    ['aws:x', 'x'],
    ['', 'x'],
    ['a', 'x;y'],
    ['a', 'x'.repeat(257)],
  ] as const)
    assert.notEqual(tagProblem(pair), null, pair.join('='))
  assert.equal(storageClassProblem('STANDARD_IA'), null)
  assert.match(storageClassProblem('GLACIER') ?? '', /cannot be read back/)
  assert.match(storageClassProblem('a b') ?? '', /is not a storage class/)
  const problem = (change: object): string | null => objectOptionsProblem({ ...noObjectOptions, ...change })
  assert.match(problem({ encryption: 'AES256', encryptionKey: 'key' }) ?? '', /needs --sse aws:kms/)
  assert.match(
    problem({
      tags: [
        ['a', '1'],
        ['a', '2'],
      ],
    }) ?? '',
    /given twice/,
  )
  assert.match(problem({ tags: Array.from({ length: 11 }, (_, n) => [`t${n}`, '']) }) ?? '', /at most 10 tags/)
  assert.match(problem({ metadata: [['a', 'x'.repeat(1536)]] }) ?? '', /1536 bytes/)
})
