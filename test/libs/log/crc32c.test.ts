import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '#libs/log/crc32c'
import { seededRandom } from '#test/support/seeded-random'

test('CRC-32C gives the values of RFC 3720, appendix B.4', () => {
  const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
  const command = Buffer.from(
    '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000',
    'hex',
  )
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(ascending), 0x46dd794e)
  assert.equal(crc32c(Buffer.from(ascending).reverse()), 0x113fdb5c)
  assert.equal(crc32c(command), 0xd9963a56)
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(0)), 0)
})

/** Bit by bit, as the definition has it. */
function slowSum(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  return ~sum >>> 0
}

test('CRC-32C of any part of any length is that of the definition', () => {
  const random = seededRandom(1)
  const bytes = Buffer.from(Array.from({ length: 300 }, () => Math.floor(random() * 256)))
  for (let length = 0; length < 80; length += 1) {
    const start = Math.floor(random() * 200)
    assert.equal(crc32c(bytes, start, start + length), slowSum(bytes.subarray(start, start + length)))
  }
})
