// Reads the primitive types of Kafka's protocol (kafka.apache.org/protocol, "Protocol Primitive Types") one after another.

export class ByteReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  int8(): number {
    this.at += 1
    return this.bytes.readInt8(this.at - 1)
  }

  int16(): number {
    this.at += 2
    return this.bytes.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }

  /** Offsets and sizes never come near 2^53. */
  int64(): number {
    const value = this.bytes.readInt32BE(this.at) * 2 ** 32 + this.bytes.readUInt32BE(this.at + 4)
    this.at += 8
    return value
  }

  /** Unsigned, at most 32 bits. */
  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.at]
      if (byte === undefined) throw new RangeError('a number runs over the end')
      this.at += 1
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number of more than 32 bits')
  }

  /** Signed (zigzag), at most 32 bits. */
  varint(): number {
    const value = this.unsignedVarint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A signed number of up to 64 bits that nobody needs. */
  skipVarlong(): void {
    while ((this.bytes[this.at] ?? 0) >= 0x80) this.at += 1
    this.at += 1
  }

  string(length = this.int16()): string {
    this.at += Math.max(0, length)
    return length < 0 ? '' : this.bytes.toString('utf8', this.at - length, this.at)
  }

  /** Length and bytes; null is empty. Throws RangeError when there are fewer. */
  block(): Buffer {
    const length = Math.max(0, this.int32())
    if (this.at + length > this.bytes.length) throw new RangeError('a block runs over the end')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  compactString(): string {
    return this.string(this.unsignedVarint() - 1)
  }

  uuid(): string {
    this.at += 16
    return this.bytes.toString('hex', this.at - 16, this.at)
  }

  /** null is an empty array. */
  array<T>(read: () => T, length = this.int32()): readonly T[] {
    return Array.from({ length: Math.max(0, length) }, read)
  }

  compactArray<T>(read: () => T): readonly T[] {
    return this.array(read, this.unsignedVarint() - 1)
  }

  skipTags(): void {
    for (let count = this.unsignedVarint(); count > 0; count -= 1) {
      this.unsignedVarint()
      const length = this.unsignedVarint()
      this.at += length
    }
  }
}
