// Batches are made byte by byte after the protocol's page, so that both ends do not share a mistake of a library.
import assert from 'node:assert/strict'
import test from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { WaybillError } from '#libs/domain/errors'
import { crc32c } from '#libs/log/crc32c'
import type { LogRecord } from '#libs/log/event-log'
import { decodeBatches } from '#libs/log/kafka/record-batch'

interface Written {
  readonly delta: number
  readonly key: Buffer | null
  readonly value: Buffer | null
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value < 0 ? -2 * value - 1 : 2 * value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}

const sized = (bytes: Buffer | null): Buffer => Buffer.concat([varint(bytes?.length ?? -1), bytes ?? Buffer.alloc(0)])

function recordBytes({ delta, key, value }: Written): Buffer {
  const header = Buffer.concat([varint(1), sized(Buffer.from('name')), sized(Buffer.from('what'))])
  const body = Buffer.concat([Buffer.from([0]), varint(7), varint(delta), sized(key), sized(value), header])
  return Buffer.concat([varint(body.length), body])
}

interface Batch {
  readonly base: number
  readonly lastDelta: number
  readonly records: readonly Written[]
  readonly attributes?: number
  readonly pack?: (bytes: Buffer) => Buffer
}

function batchBytes({ base, lastDelta, records, attributes = 0, pack = (bytes) => bytes }: Batch): Buffer {
  const head = Buffer.alloc(61)
  const packed = pack(Buffer.concat(records.map(recordBytes)))
  head.writeBigInt64BE(BigInt(base), 0)
  head.writeInt32BE(61 - 12 + packed.length, 8)
  head.writeInt8(2, 16)
  head.writeInt16BE(attributes, 21)
  head.writeInt32BE(lastDelta, 23)
  head.writeInt32BE(records.length, 57)
  const bytes = Buffer.concat([head, packed])
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}

const three: readonly Written[] = [
  { delta: 0, key: Buffer.from('a'), value: Buffer.from('one') },
  { delta: 2, key: Buffer.from('b'), value: null },
  { delta: 5, key: null, value: Buffer.alloc(0) },
]

function decode(bytes: Buffer, from = 0): { readonly next: number; readonly lines: readonly string[] } {
  const records: LogRecord[] = []
  const next = decodeBatches(bytes, { topic: 'chunks', partition: 3, from }, records)
  return { next, lines: records.map(({ position, key, value }) => `${position} ${key}=${value}`) }
}

const farBase = 5 * 2 ** 32 + 1

test('records come with their positions, gaps and all, and the next position is behind the batch', () => {
  assert.deepEqual(decode(batchBytes({ base: farBase, lastDelta: 8, records: three })), {
    next: farBase + 9,
    lines: [`${farBase} a=one`, `${farBase + 2} b=null`, `${farBase + 5} =`],
  })
})

test('records before the position that was asked for are left out', () => {
  assert.deepEqual(decode(batchBytes({ base: 10, lastDelta: 5, records: three }), 12).lines, ['12 b=null', '15 ='])
})

test('batches without records, and those of transactions, move the position on', () => {
  const empty = batchBytes({ base: 10, lastDelta: 4, records: [] })
  const marker = batchBytes({ base: 15, lastDelta: 0, records: three.slice(0, 1), attributes: 0x30 })
  assert.deepEqual(decode(Buffer.concat([empty, marker]), 10), { next: 16, lines: [] })
})

test('a last batch that was cut short anywhere is left for the next request', () => {
  const [first, second] = [10, 16].map((base) => batchBytes({ base, lastDelta: 5, records: three }))
  assert(first !== undefined && second !== undefined)
  for (let length = 0; length < second.length; length += 1) {
    assert.equal(decode(Buffer.concat([first, second.subarray(0, length)]), 10).next, 16)
  }
})

test('gzip and zstd are unpacked, other codecs are damage that names them', () => {
  const plain = decode(batchBytes({ base: 0, lastDelta: 5, records: three }))
  const gzip = batchBytes({ base: 0, lastDelta: 5, records: three, attributes: 1, pack: gzipSync })
  const zstd = batchBytes({ base: 0, lastDelta: 5, records: three, attributes: 4, pack: zstdCompressSync })
  assert.deepEqual(decode(gzip), plain)
  assert.deepEqual(decode(zstd), plain)
  for (const [attributes, name] of [
    [2, /snappy/],
    [3, /lz4/],
    [7, /codec 7/],
  ] as const) {
    const batch = batchBytes({ base: 4, lastDelta: 5, records: three, attributes })
    assert.throws(
      () => decode(batch),
      (error) => error instanceof WaybillError && name.test(String(error.facts['reason'])),
    )
  }
})

test('any flipped bit that the checksum covers is damage with its place, and none is a wrong record', () => {
  const batch = batchBytes({ base: 40, lastDelta: 5, records: three })
  for (let at = 17; at < batch.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const bytes = Buffer.from(batch)
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at)
      assert.throws(
        () => decode(bytes, 40),
        (error) => error instanceof WaybillError && error.code === 'LOG_DAMAGED' && error.facts['position'] === 40,
      )
    }
  }
})

test('records that say a wrong length are damage, also under a checksum that fits', () => {
  for (const length of [-1, 3, 1000, 2 ** 31 - 1]) {
    const pack = (bytes: Buffer): Buffer => Buffer.concat([varint(length), bytes.subarray(1)])
    const batch = batchBytes({ base: 40, lastDelta: 5, records: three, pack })
    assert.throws(
      () => decode(batch, 40),
      (error) => error instanceof WaybillError && error.code === 'LOG_DAMAGED',
    )
  }
})
