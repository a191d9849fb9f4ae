// The Merkle tree of RFC 6962, section 2.1: a leaf is hashed behind 0x00 and a node behind 0x01, so that no node can be
// passed off as a leaf. The left subtree holds the largest power of two below the number of leaves. Only the roots of
// complete subtrees are kept: one for each bit of the number of leaves so far.
import { hash } from 'node:crypto'

const leafPrefix = 0x00
const nodePrefix = 0x01
const digestBytes = 32

export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** SHA-256(0x00 || leaf). */
export function leafHash(leaf: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(leaf.length + 1)
  prefixed[0] = leafPrefix
  prefixed.set(leaf, 1)
  return sha256(prefixed)
}

export interface MerkleTree {
  /** Takes leaf hashes, in order. */
  add(leafHash: Buffer): void
  /** Root over the leaves so far, 32 bytes; SHA-256 of nothing for none. More leaves may follow. */
  root(): Buffer
}

interface Subtree {
  readonly hash: Buffer
  readonly leaves: number
}

/** A streaming tree: memory O(log n). */
export function createMerkleTree(): MerkleTree {
  const subtrees: Subtree[] = []
  const node = Buffer.alloc(1 + 2 * digestBytes, nodePrefix)

  function join(left: Buffer, right: Buffer): Buffer {
    node.set(left, 1)
    node.set(right, 1 + digestBytes)
    return sha256(node)
  }

  return {
    add(leaf) {
      let grown: Subtree = { hash: leaf, leaves: 1 }
      for (let last = subtrees.at(-1); last !== undefined && last.leaves === grown.leaves; last = subtrees.at(-1)) {
        subtrees.pop()
        grown = { hash: join(last.hash, grown.hash), leaves: last.leaves * 2 }
      }
      subtrees.push(grown)
    },
    root() {
      const joined = subtrees.reduceRight<Buffer | null>(
        (right, { hash: left }) => (right === null ? left : join(left, right)),
        null,
      )
      return joined ?? sha256(Buffer.alloc(0))
    },
  }
}
