// The text of a glob to lists of tokens; one list for each way to choose among `{a,b}`.
import { unitsOf } from './name-text.ts'
import { type Parsed, parsed, refused } from './quantity.ts'

export type Token =
  | { readonly kind: 'unit'; readonly unit: number }
  /** `?` */
  | { readonly kind: 'one' }
  /** `[a-z]` */
  | {
      readonly kind: 'class'
      readonly ranges: readonly (readonly [low: number, high: number])[]
      readonly isNegated: boolean
    }
  /** `*` */
  | { readonly kind: 'star' }
  /** `**` */
  | { readonly kind: 'anything' }
  /** A `**` and its slash at the start of a part: nothing, or whole parts. Always followed by `segments_inner`. */
  | { readonly kind: 'segments' }
  | { readonly kind: 'segments_inner' }

const globCharactersMax = 4096
const choicesMax = 256

const segmentTokens: readonly Token[] = [{ kind: 'segments' }, { kind: 'segments_inner' }]

/** Splits `{a,b}` at one level; null when a brace is not closed. */
function splitBraces(text: string, open: number): { readonly choices: readonly string[]; readonly end: number } | null {
  const choices: string[] = []
  let depth = 0
  let start = open + 1
  for (let index = open; index < text.length; index += 1) {
    const character = text[index]
    if (character === '\\') index += 1
    else if (character === '[') index = classEnd(text, index) ?? index
    else if (character === '{') depth += 1
    else if (character === ',' && depth === 1) {
      choices.push(text.slice(start, index))
      start = index + 1
    } else if (character === '}') {
      depth -= 1
      if (depth === 0) return { choices: [...choices, text.slice(start, index)], end: index + 1 }
    }
  }
  return null
}

/** Place of the `]` that closes the class at `open`, or null. A `]` right after the opening is a character. */
function classEnd(text: string, open: number): number | null {
  let index = open + 1
  if (text[index] === '!' || text[index] === '^') index += 1
  if (text[index] === ']') index += 1
  for (; index < text.length; index += 1) {
    if (text[index] === '\\') index += 1
    else if (text[index] === ']') return index
  }
  return null
}

/** All texts without braces that the text stands for; bounded. */
function expandBraces(text: string): Parsed<readonly string[]> {
  const done: string[] = []
  const open: { readonly text: string; readonly from: number }[] = [{ text, from: 0 }]
  while (open.length > 0) {
    if (done.length + open.length > choicesMax) return refused(`it stands for more than ${choicesMax} globs`)
    const { text: next, from } = open.pop() ?? { text: '', from: 0 }
    const brace = nextBrace(next, from)
    if (brace === null) {
      done.push(next)
      continue
    }
    if (next[brace] === '}') return refused('a } has no { before it; write \\} for the character')
    const split = splitBraces(next, brace)
    if (split === null) return refused('a { is not closed; write \\{ for the character')
    const rest = next.slice(split.end)
    for (const choice of split.choices.toReversed()) {
      open.push({ text: next.slice(0, brace) + choice + rest, from: brace })
    }
    if (next.length > globCharactersMax) return refused('its braces make it too long')
  }
  return parsed(done)
}

function nextBrace(text: string, from: number): number | null {
  for (let index = from; index < text.length; index += 1) {
    const character = text[index]
    if (character === '\\') index += 1
    else if (character === '[') index = classEnd(text, index) ?? index
    else if (character === '{' || character === '}') return index
  }
  return null
}

interface Escape {
  readonly bytes: Uint8Array
  readonly end: number
}

const encoder = new TextEncoder()

/** One character of a glob as bytes, escapes undone; null for a backslash at the end. */
function readCharacter(text: string, at: number): Escape | null {
  const point = text.codePointAt(at)
  if (point === undefined) return null
  const character = String.fromCodePoint(point)
  if (character !== '\\') return { bytes: encoder.encode(character), end: at + character.length }
  const hex = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(at, at + 4))
  if (hex !== null) return { bytes: Uint8Array.of(Number.parseInt(hex[1] ?? '', 16)), end: at + 4 }
  const escaped = text.codePointAt(at + 1)
  if (escaped === undefined) return null
  const plain = String.fromCodePoint(escaped)
  return { bytes: encoder.encode(plain), end: at + 1 + plain.length }
}

const backslashAtEnd = refused('a \\ at the end has nothing to escape')

function readClass(text: string, open: number): Parsed<{ readonly token: Token; readonly end: number }> {
  const end = classEnd(text, open)
  if (end === null) return refused('a [ is not closed; write \\[ for the character')
  if (/^\[[!^]?\[:/.test(text.slice(open, open + 4))) return refused('classes such as [:alpha:] are not supported')
  const isNegated = text[open + 1] === '!' || text[open + 1] === '^'
  const ranges: [number, number][] = []
  let index = open + (isNegated ? 2 : 1)
  while (index < end) {
    const low = readCharacter(text, index)
    if (low === null) return backslashAtEnd
    const isRange = text[low.end] === '-' && low.end + 1 < end
    const high = isRange ? readCharacter(text, low.end + 1) : low
    if (high === null) return backslashAtEnd
    const range: [number, number] = [unitsOf(low.bytes)[0] ?? 0, unitsOf(high.bytes)[0] ?? 0]
    if (range[0] > range[1]) return refused(`the range ${text.slice(index, high.end)} runs backwards`)
    ranges.push(range)
    index = high.end
  }
  return parsed({ token: { kind: 'class', ranges, isNegated }, end: end + 1 })
}

/** Reads stars at `at`: `*`, `**`, or a `**` with its slash that is whole parts. */
function readStars(
  text: string,
  at: number,
  isPartStart: boolean,
): { readonly tokens: readonly Token[]; readonly end: number } {
  let end = at
  while (text[end] === '*') end += 1
  if (end - at === 1) return { tokens: [{ kind: 'star' }], end }
  if (isPartStart && text[end] === '/') return { tokens: segmentTokens, end: end + 1 }
  return { tokens: [{ kind: 'anything' }], end }
}

/** A glob without braces to tokens. */
function readTokens(glob: string): Parsed<readonly Token[]> {
  const isAnchored = glob.startsWith('/')
  const tokens: Token[] = isAnchored ? [] : [...segmentTokens]
  let literal: number[] = []
  const flush = (): void => {
    // Bytes first, code points then: `\xc3\xa9` is the same as the letter it spells.
    const units = unitsOf(Uint8Array.from(literal))
    for (let index = 0; index < units.length; index += 1) tokens.push({ kind: 'unit', unit: units[index] ?? 0 })
    literal = []
  }
  for (let index = isAnchored ? 1 : 0; index < glob.length; ) {
    const character = glob[index]
    if (character === '*') {
      const isPartStart = index === 0 || glob[index - 1] === '/'
      flush()
      const stars = readStars(glob, index, isPartStart)
      tokens.push(...stars.tokens)
      index = stars.end
    } else if (character === '?') {
      flush()
      tokens.push({ kind: 'one' })
      index += 1
    } else if (character === '[') {
      flush()
      const read = readClass(glob, index)
      if (!read.ok) return read
      tokens.push(read.value.token)
      index = read.value.end
    } else {
      const read = readCharacter(glob, index)
      if (read === null) return backslashAtEnd
      literal.push(...read.bytes)
      index = read.end
    }
  }
  flush()
  // A directory stands for itself and everything in it.
  if (glob.endsWith('/')) tokens.push({ kind: 'anything' })
  return parsed(tokens)
}

/** One list of tokens for each choice among braces; at least one. */
export function parseGlob(text: string): Parsed<readonly (readonly Token[])[]> {
  const told = (problem: string): Parsed<never> => refused(`"${text}" is not a glob: ${problem}`)
  if (text === '' || text === '/') return told('it is empty')
  if (text.length > globCharactersMax) return refused(`a glob is longer than ${globCharactersMax} characters`)
  if (text.includes('\ufffd')) return told('it holds a byte that is not UTF-8; write it as \\xHH')
  const texts = expandBraces(text)
  if (!texts.ok) return told(texts.problem)
  const lists: (readonly Token[])[] = []
  for (const each of texts.value) {
    const tokens = readTokens(each)
    if (!tokens.ok) return told(tokens.problem)
    lists.push(tokens.value)
  }
  return parsed(lists)
}
