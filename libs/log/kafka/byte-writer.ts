// Writes the primitive types of Kafka's protocol; see byte-reader.ts.

export class ByteWriter {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    return this.#fixed(1, (bytes) => bytes.writeInt8(value))
  }

  int16(value: number): this {
    return this.#fixed(2, (bytes) => bytes.writeInt16BE(value))
  }

  int32(value: number): this {
    return this.#fixed(4, (bytes) => bytes.writeInt32BE(value))
  }

  int64(value: number): this {
    return this.#fixed(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)))
  }

  unsignedVarint(value: number): this {
    const bytes: number[] = []
    let rest = value
    for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
    this.#parts.push(Buffer.from([...bytes, rest]))
    return this
  }

  string(value: string): this {
    const bytes = Buffer.from(value)
    this.int16(bytes.length)
    this.#parts.push(bytes)
    return this
  }

  compactString(value: string): this {
    const bytes = Buffer.from(value)
    this.unsignedVarint(bytes.length + 1)
    this.#parts.push(bytes)
    return this
  }

  /** Length and bytes. */
  block(bytes: Buffer): this {
    this.int32(bytes.length)
    this.#parts.push(bytes)
    return this
  }

  /** A list, each element written by `write`. */
  array<T>(list: readonly T[], write: (one: T) => void): this {
    this.int32(list.length)
    for (const one of list) write(one)
    return this
  }

  zeros(count: number): this {
    this.#parts.push(Buffer.alloc(count))
    return this
  }

  done(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #fixed(length: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.allocUnsafe(length)
    write(bytes)
    this.#parts.push(bytes)
    return this
  }
}
