// Bodies: JSON that means one thing only. What JSON.parse lets pass and two readers could take differently (a name given
// twice, __proto__) or what would cost too much to walk (deep nesting) is refused before it is parsed.
import { ApiProblem } from './problems.ts'

const depthMax = 16
const namesMax = 2_000

const refuse = (detail: string): never => {
  throw new ApiProblem('JSON_INVALID', { detail })
}

/** End of the string that starts at `start` (its quote), behind the closing quote. */
function stringEnd(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const character = text[index]
    if (character === '\\') index += 1
    else if (character === '"') return index + 1
  }
  return refuse('a string does not end')
}

function nameOf(text: string, start: number, end: number): string {
  try {
    return JSON.parse(text.slice(start, end)) as string
  } catch (cause) {
    throw new ApiProblem('JSON_INVALID', { detail: 'a name is not a valid string' }, { cause })
  }
}

function isColonNext(text: string, from: number): boolean {
  let index = from
  while (' \t\n\r'.includes(text[index] ?? 'x')) index += 1
  return text[index] === ':'
}

/** Names of the objects that are open at a place; null for an array. */
type Open = Set<string> | null

function checkName(open: Open | undefined, name: string): void {
  if (name === '__proto__') refuse('the name __proto__ is not taken')
  if (open == null) return
  if (open.has(name)) refuse(`the name ${JSON.stringify(name.slice(0, 64))} is given twice`)
  open.add(name)
}

/** Throws JSON_INVALID for nesting beyond 16 levels, names given twice, __proto__, and too many names. */
function scan(text: string): void {
  const stack: Open[] = []
  let names = 0
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (character === '{' || character === '[') {
      stack.push(character === '{' ? new Set() : null)
      if (stack.length > depthMax) refuse(`it is nested deeper than ${depthMax} levels`)
    } else if (character === '}' || character === ']') {
      stack.pop()
    } else if (character === '"') {
      const end = stringEnd(text, index)
      if (isColonNext(text, end)) {
        names += 1
        if (names > namesMax) refuse(`it has more than ${namesMax} names`)
        checkName(stack.at(-1), nameOf(text, index, end))
      }
      index = end - 1
    }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(body: Buffer): string {
  try {
    return decoder.decode(body)
  } catch (cause) {
    throw new ApiProblem('JSON_INVALID', { detail: 'it is not valid UTF-8' }, { cause })
  }
}

/** The value of a body. Throws JSON_INVALID. */
export function parseBody(body: Buffer): unknown {
  const text = textOf(body)
  if (text.trim() === '') refuse('it is empty')
  scan(text)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ApiProblem('JSON_INVALID', { detail: 'it is not JSON' }, { cause })
  }
}
