import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMerkleTree, leafHash, sha256 } from '#libs/report/merkle'

/** RFC 6962, section 2.1, word for word. */
function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves
  if (only === undefined) return sha256(Buffer.alloc(0))
  if (leaves.length === 1) return sha256(Buffer.concat([Buffer.of(0), only]))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Buffer.concat([Buffer.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split))]))
}

function streamedRoot(leaves: readonly Buffer[]): string {
  const tree = createMerkleTree()
  for (const leaf of leaves) tree.add(leafHash(leaf))
  return tree.root().toString('hex')
}

test('roots equal the test vectors of the Certificate Transparency reference implementation', () => {
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  const bytes = leaves.map((leaf) => Buffer.from(leaf, 'hex'))
  assert.deepEqual(
    roots.map((_, count) => streamedRoot(bytes.slice(0, count))),
    roots,
  )
})

test('the streaming root equals the recursive definition for every number of leaves up to 300', () => {
  const leaves = Array.from({ length: 300 }, (_, index) => Buffer.from(`leaf ${index}`))
  for (let count = 0; count <= leaves.length; count++) {
    assert.equal(
      streamedRoot(leaves.slice(0, count)),
      rootOf(leaves.slice(0, count)).toString('hex'),
      `${count} leaves`,
    )
  }
})

test('asking for the root changes nothing', () => {
  const tree = createMerkleTree()
  for (let index = 0; index < 13; index++) {
    tree.add(leafHash(Buffer.of(index)))
    assert.deepEqual(tree.root(), tree.root())
  }
  assert.equal(
    tree.root().toString('hex'),
    rootOf(Array.from({ length: 13 }, (_, index) => Buffer.of(index))).toString('hex'),
  )
})
