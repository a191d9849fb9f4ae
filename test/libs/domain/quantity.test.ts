import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatCount,
  formatDuration,
  formatDurationExact,
  formatPercentExact,
  formatRate,
  formatRateExact,
  formatShare,
  formatSize,
  formatSizeExact,
  type Parsed,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
} from '#libs/domain/quantity'

function read<T>(result: Parsed<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.problem)
  return result.value
}

function problemOf(result: Parsed<unknown>): string {
  assert.ok(!result.ok, 'was accepted')
  return result.problem
}

const wholeBytes = fc.oneof(
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc
    .record({ count: fc.integer({ min: 1, max: 5000 }), power: fc.integer({ min: 0, max: 3 }) })
    .map((unit) => unit.count * 1024 ** unit.power),
  fc
    .record({ count: fc.integer({ min: 1, max: 5000 }), power: fc.integer({ min: 0, max: 3 }) })
    .map((unit) => unit.count * 1000 ** unit.power),
)

test('every size, rate, duration and percentage reads back as what was written', () => {
  fc.assert(fc.property(wholeBytes, (bytes) => read(parseSize(formatSizeExact(bytes))) === bytes))
  fc.assert(fc.property(wholeBytes, (bytes) => read(parseRate(formatRateExact(bytes))) === bytes))
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 45 }), (ms) => read(parseDuration(formatDurationExact(ms))) === ms),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), (thousandths) => {
      const percent = thousandths / 1000
      return read(parsePercent(formatPercentExact(percent))) === percent
    }),
  )
  assert.equal(read(parseRate(formatRateExact(null))), null)
})

test('GB and GiB are told apart, and case does not matter where it cannot mislead', () => {
  const sizes: readonly [string, number][] = [
    ['64MiB', 67_108_864],
    ['64mib', 67_108_864],
    ['1 GB', 1_000_000_000],
    ['1.5GiB', 1_610_612_736],
    ['0.3KB', 300],
    ['100B', 100],
    ['1kB', 1000],
    ['8PiB', 0],
  ]
  for (const [text, bytes] of sizes.slice(0, -1)) assert.equal(read(parseSize(text)), bytes, text)
  assert.match(problemOf(parseSize('8PiB')), /too large/)
})

test('a rate is rounded down, because it is a hard limit', () => {
  assert.equal(read(parseRate('400GB/h')), 111_111_111)
  assert.equal(read(parseRate('50MB/s')), 50_000_000)
  assert.equal(read(parseRate('10GiB/d')), Math.floor((10 * 1024 ** 3) / 86_400))
  assert.equal(read(parseRate('unlimited')), null)
})

test('what is not a quantity is refused with a sentence that says what to write', () => {
  const wrong: readonly [Parsed<unknown>, RegExp][] = [
    [parseSize('0'), /more than 0/],
    [parseSize('0MiB'), /more than 0/],
    [parseSize('100'), /no unit/],
    [parseSize('64M'), /write MiB \(of 1,024\) or MB/],
    [parseSize('64Mb'), /could be bits/],
    [parseSize('-5MB'), /not a size/],
    [parseSize('1e5MB'), /not a size|unknown unit/],
    [parseSize('0x10MB'), /not a size|unknown unit/],
    [parseSize(''), /not a size/],
    [parseSize('NaN'), /not a size/],
    [parseSize('0.0001KB'), /less than one byte/],
    [parseSize('5XB'), /unknown unit/],
    [parseSize(`${'9'.repeat(100)}B`), /not a size/],
    [parseRate('0MB/s'), /more than 0/],
    [parseRate('50MB'), /not a rate/],
    [parseRate('50MB/fortnight'), /not a rate/],
    [parseRate('1B/h'), /less than one byte/],
    [parseRate('50Mb/s'), /could be bits/],
    [parseDuration('0s'), /more than 0/],
    [parseDuration('5'), /not a duration/],
    [parseDuration('5s1h'), /not a duration/],
    [parsePercent('0%'), /more than 0%/],
    [parsePercent('101%'), /at most 100%/],
    [parsePercent('5'), /not a percentage/],
  ]
  for (const [result, sentence] of wrong) assert.match(problemOf(result), sentence)
})

test('no text makes a parser throw, and what it accepts is a whole positive number', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,6} ?[KMGTPkmgtp]?i?[Bb]?(\/[a-z]{0,3})?$/)),
      (text) => {
        for (const result of [parseSize(text), parseDuration(text), parseRate(text)]) {
          if (result.ok && result.value !== null)
            assert.ok(Number.isSafeInteger(result.value) && result.value > 0, text)
        }
        parsePercent(text)
      },
    ),
  )
})

test('people read three or four figures and a unit', () => {
  assert.equal(formatSize(0), '0 B')
  assert.equal(formatSize(1023), '1023 B')
  assert.equal(formatSize(1000), '1000 B')
  assert.equal(formatSize(1000, 'decimal'), '1.00 KB')
  assert.equal(formatSize(612.4 * 1024 ** 3), '612.4 GiB')
  assert.equal(formatSize(1.2 * 1024 ** 4), '1.20 TiB')
  assert.equal(formatRate(214 * 1024 ** 2), '214 MiB/s')
  assert.equal(formatRate(9.5 * 1024 ** 2), '9.50 MiB/s')
  assert.equal(formatRate(null), 'unlimited')
  assert.equal(formatDuration(12_300), '12 s')
  assert.equal(formatDuration(48 * 60_000), '48 min')
  assert.equal(formatDuration(65 * 60_000), '1 h 05 min')
  assert.equal(formatDuration(76 * 3_600_000), '3 d 4 h')
  assert.equal(formatCount(1_204_311), '1,204,311')
  assert.equal(formatCount(38), '38')
})

test('a share reaches 100 % only when all is there', () => {
  assert.equal(formatShare(999_999, 1_000_000), '99 %')
  assert.equal(formatShare(1_000_000, 1_000_000), '100 %')
  assert.equal(formatShare(0, 0), '100 %')
})
