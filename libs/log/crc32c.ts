// CRC-32C (Castagnoli), as in iSCSI (RFC 3720, appendix B.4), sixteen bytes a step with sixteen tables ("slicing", Kounavis
// and Berry, 2005). Node's own crc32 is the other polynomial. A native CRC of the size of our records (250 bytes) is no
// faster: the call costs what it saves (140 against 155 ns).

/** The polynomial 0x1EDC6F41 with its bits reversed, as the algorithm takes the lowest bit first. */
const polynomial = 0x82f63b78
const tableCount = 16

/** Table t, at t * 256: what a byte does to the sum when t more bytes follow it. */
const tables = new Uint32Array(tableCount * 256)
for (let byte = 0; byte < 256; byte += 1) {
  let sum = byte
  for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >>> 1) ^ polynomial : sum >>> 1
  tables[byte] = sum
}
for (let at = 256; at < tables.length; at += 1) {
  const shorter = tables[at - 256] ?? 0
  tables[at] = (shorter >>> 8) ^ (tables[shorter & 255] ?? 0)
}
const table = (number: number): Uint32Array => tables.subarray(number * 256, (number + 1) * 256)
const [t0, t1, t2, t3] = [table(0), table(1), table(2), table(3)] as const
const [t4, t5, t6, t7] = [table(4), table(5), table(6), table(7)] as const
const [t8, t9, t10, t11] = [table(8), table(9), table(10), table(11)] as const
const [t12, t13, t14, t15] = [table(12), table(13), table(14), table(15)] as const

/** Every index is one byte, so the value is there; this keeps the types honest and costs nothing. */
const of = (one: Uint32Array, index: number): number => one[index] as number
const byteOf = (bytes: Uint8Array, index: number): number => bytes[index] as number

/** The CRC-32C of the bytes from `start` up to `end`, as an unsigned number. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let sum = -1
  let at = start
  for (; at + 16 <= end; at += 16) {
    sum ^=
      byteOf(bytes, at) | (byteOf(bytes, at + 1) << 8) | (byteOf(bytes, at + 2) << 16) | (byteOf(bytes, at + 3) << 24)
    sum =
      of(t15, sum & 255) ^
      of(t14, (sum >>> 8) & 255) ^
      of(t13, (sum >>> 16) & 255) ^
      of(t12, sum >>> 24) ^
      of(t11, byteOf(bytes, at + 4)) ^
      of(t10, byteOf(bytes, at + 5)) ^
      of(t9, byteOf(bytes, at + 6)) ^
      of(t8, byteOf(bytes, at + 7)) ^
      of(t7, byteOf(bytes, at + 8)) ^
      of(t6, byteOf(bytes, at + 9)) ^
      of(t5, byteOf(bytes, at + 10)) ^
      of(t4, byteOf(bytes, at + 11)) ^
      of(t3, byteOf(bytes, at + 12)) ^
      of(t2, byteOf(bytes, at + 13)) ^
      of(t1, byteOf(bytes, at + 14)) ^
      of(t0, byteOf(bytes, at + 15))
  }
  for (; at < end; at += 1) sum = of(t0, (sum ^ byteOf(bytes, at)) & 255) ^ (sum >>> 8)
  return ~sum >>> 0
}
