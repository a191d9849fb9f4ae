// What stands in place of a record whose schema is not known, or whose bytes do not fit it: so that it is delivered like any
// other and found to be poison, for this reason. `0xff`, bytes of the reason (2, big endian), the reason, the record as it came.
const mark = 0xff
const headBytes = 3
const reasonBytesMax = 1024

/** @param reason in words, without secrets */
export function unreadable(reason: string, record: Buffer): Buffer {
  const text = Buffer.from(reason).subarray(0, reasonBytesMax)
  const head = Buffer.from([mark, 0, 0])
  head.writeUInt16BE(text.length, 1)
  return Buffer.concat([head, text, record])
}

/** Why a record is unreadable; null for one that is not marked so. */
export function reasonOfUnreadable(record: Buffer): string | null {
  if (record[0] !== mark || record.length < headBytes) return null
  const end = headBytes + record.readUInt16BE(1)
  return end > Math.min(record.length, headBytes + reasonBytesMax) ? null : record.toString('utf8', headBytes, end)
}
