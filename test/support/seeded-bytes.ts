// Bytes that look random, are the same for the same seed, and are made at the speed of memory.
import { createCipheriv, createHash } from 'node:crypto'

/** The keystream of AES-128 in counter mode under a key made from the seed. */
export function seededBytes(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}
