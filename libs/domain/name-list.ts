// The names of --files-from: sorted once, held in one piece of memory, found by bisection. A name that ends with a slash
// stands for a directory and everything in it.
import { showName } from './name-text.ts'
import { type Parsed, parsed, refused } from './quantity.ts'

export interface NameList {
  readonly count: number
  /** Exactly this name, or a directory that holds it. A directory's name ends with a slash. */
  names(name: Uint8Array): boolean
  /** Something below the directory is named; its name ends with a slash. */
  namesBelow(directory: Uint8Array): boolean
  /** One form for one set of names: sorted, each once, each ended by a zero byte. `parseNameList` reads it again. */
  encode(): Uint8Array
  /** The names greater than `order`, in order, to tell which of them a source lacks. */
  behind(order: Uint8Array): Iterable<Uint8Array>
}

export const nameListBytesMax = 1024 ** 3
const nameBytesMax = 65_536
const slash = 0x2f
const dot = 0x2e

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** Names one after the other in one piece of memory; name n is from `starts[n]` up to `starts[n + 1]`. */
interface Packed {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array
  readonly count: number
}

function nameAt({ bytes, starts }: Packed, index: number): Uint8Array {
  return bytes.subarray(starts[index] ?? 0, starts[index + 1] ?? 0)
}

/**
 * Writes the name's parts without `.` and empty ones to `into` at `at`; a trailing slash stays. Returns the end, or -1
 * when the name leads out of the source by `..`.
 */
function writeNormalised(name: Uint8Array, into: Uint8Array, at: number): number {
  let end = at
  let start = 0
  for (let index = 0; index <= name.length; index += 1) {
    if (index < name.length && name[index] !== slash) continue
    const part = name.subarray(start, index)
    start = index + 1
    const isDots = part.every((byte) => byte === dot)
    if (isDots && part.length === 2) return -1
    if (isDots && part.length < 2) continue
    if (end > at) into[end++] = slash
    into.set(part, end)
    end += part.length
  }
  if (end > at && endsAsDirectory(name)) into[end++] = slash
  return end
}

/** `a/` and `a/.` */
function endsAsDirectory(name: Uint8Array): boolean {
  return name.at(-1) === slash || (name.at(-1) === dot && name.at(-2) === slash)
}

/** `separator`: 10 for lines, 0 for names ended by a zero byte. Empty names are skipped. */
export function parseNameList(bytes: Uint8Array, separator: 0 | 10): Parsed<NameList> {
  if (bytes.length > nameListBytesMax) return refused('the list of names is larger than 1 GiB')
  const packed = new Uint8Array(bytes.length + 2)
  const starts: number[] = [0]
  let used = 0
  for (let start = 0, line = 1; start < bytes.length; line += 1) {
    const found = bytes.indexOf(separator, start)
    const name = bytes.subarray(start, found === -1 ? bytes.length : found)
    start += name.length + 1
    if (name.length === 0) continue
    const place = `${separator === 10 ? 'line' : 'name'} ${line} of the list of names`
    if (name.length > nameBytesMax) return refused(`${place} is longer than ${nameBytesMax} bytes`)
    if (separator === 10 && name.includes(0)) return refused(`${place} holds a zero byte; is -0 missing?`)
    const end = writeNormalised(name, packed, used)
    if (end === -1) return refused(`${place} leaves the source: ${showName(name)}`)
    if (end === used) return refused(`${place} is the source itself: ${showName(name)}`)
    used = end
    starts.push(used)
  }
  return parsed(
    createNameList(sortNames({ bytes: packed, starts: Uint32Array.from(starts), count: starts.length - 1 })),
  )
}

/** In order, each name once. */
function sortNames(names: Packed): Packed {
  const order = Uint32Array.from({ length: names.count }, (_, index) => index)
  order.sort((left, right) => compareBytes(nameAt(names, left), nameAt(names, right)))
  const bytes = new Uint8Array(names.starts[names.count] ?? 0)
  const starts = new Uint32Array(names.count + 1)
  let count = 0
  for (const index of order) {
    const name = nameAt(names, index)
    const isKnown = count > 0 && compareBytes(name, bytes.subarray(starts[count - 1], starts[count])) === 0
    if (isKnown) continue
    bytes.set(name, starts[count])
    count += 1
    starts[count] = (starts[count - 1] ?? 0) + name.length
  }
  return { bytes, starts, count }
}

function createNameList(sorted: Packed): NameList {
  /** Index of the first name that is not less. */
  const lowerBound = (name: Uint8Array): number => {
    let low = 0
    let high = sorted.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(nameAt(sorted, middle), name) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
  const has = (name: Uint8Array): boolean => {
    const index = lowerBound(name)
    return index < sorted.count && compareBytes(nameAt(sorted, index), name) === 0
  }
  const isInNamedDirectory = (name: Uint8Array): boolean => {
    for (let at = name.indexOf(slash); at !== -1; at = name.indexOf(slash, at + 1)) {
      if (has(name.subarray(0, at + 1))) return true
    }
    return false
  }
  return {
    count: sorted.count,
    names: (name) => has(name) || (name.at(-1) === slash && has(name.subarray(0, -1))) || isInNamedDirectory(name),
    namesBelow: (directory) => {
      if (isInNamedDirectory(directory)) return true
      const index = lowerBound(directory)
      return index < sorted.count && compareBytes(nameAt(sorted, index).subarray(0, directory.length), directory) === 0
    },
    encode: () => encodeNames(sorted),
    behind: (order) => eachName(sorted, lowerBound(order), order),
  }
}

/** From the name at `first` on, but for `except`. */
function* eachName(names: Packed, first = 0, except: Uint8Array | null = null): Iterable<Uint8Array> {
  for (let index = first; index < names.count; index += 1) {
    const name = nameAt(names, index)
    if (except === null || compareBytes(name, except) !== 0) yield name
  }
}

function encodeNames(names: Packed): Uint8Array {
  const encoded = new Uint8Array((names.starts[names.count] ?? 0) + names.count)
  let at = 0
  for (const name of eachName(names)) {
    encoded.set(name, at)
    at += name.length + 1
  }
  return encoded
}
