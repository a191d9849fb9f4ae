// The two forms of a report hold the same lines. ndjson holds nothing else; json puts them into one document, with
// what JSON needs around them on lines of its own and a comma behind every item but the last. A report is checked by
// taking the frame off, so root, digest and signature are the same in both forms.
import { invalidReport, type Line } from './lines.ts'

export const jsonFrame = {
  beforeHeader: '{"header":',
  beforeItems: ',"items":[',
  beforeVerdict: '],"verdict":',
  beforeFooter: ',"footer":',
  beforeSignature: ',"signature":',
  end: '}',
} as const

export type ReportForm = 'ndjson' | 'json'
export type Part = 'header' | 'item' | 'verdict' | 'footer' | 'signature'

export interface PartLine extends Line {
  readonly part: Part
}

export interface Unframer {
  readonly form: ReportForm
  /** The part that a line holds; null for a line of the frame. Throws REPORT_INVALID for a line in the wrong place. */
  take(line: Line): PartLine | null
  /** After the last line. Throws REPORT_INVALID when something is missing. */
  end(): void
}

/** What the first line says the form to be. */
export function unframe(first: Line): Unframer {
  return first.bytes.equals(Buffer.from(jsonFrame.beforeHeader)) ? unframeJson() : unframeNdjson()
}

const itemStart = Buffer.from('{"chunks":')

function unframeNdjson(): Unframer {
  let last: Part | null = null
  let count = 0

  function partOf(bytes: Buffer): Part | null {
    if (last === null) return 'header'
    if (last === 'footer') return 'signature'
    if (last === 'signature') return null
    if (last === 'verdict') return 'footer'
    return bytes.subarray(0, itemStart.length).equals(itemStart) ? 'item' : 'verdict'
  }

  return {
    form: 'ndjson',
    take(line) {
      const part = partOf(line.bytes)
      if (part === null) throw invalidReport(line.number, 'something follows the signature')
      last = part
      count = line.number
      return { ...line, part }
    },
    end() {
      if (last !== 'footer' && last !== 'signature') throw invalidReport(count + 1, 'the footer is missing')
    },
  }
}

type JsonPlace =
  | 'start'
  | 'header'
  | 'after header'
  | 'items'
  | 'last item'
  | 'verdict'
  | 'after verdict'
  | 'footer'
  | 'after footer'
  | 'signature'
  | 'after signature'
  | 'end'

const comma = 0x2c

function unframeJson(): Unframer {
  let place: JsonPlace = 'start'
  let count = 0

  function demand(line: Line, text: string, next: JsonPlace): null {
    if (line.bytes.toString('latin1') !== text) throw invalidReport(line.number, `here should stand ${text}`)
    place = next
    return null
  }

  function takeItem(line: Line): PartLine | null {
    const { number, bytes } = line
    if (place === 'last item' || !bytes.subarray(0, itemStart.length).equals(itemStart)) {
      return demand(line, jsonFrame.beforeVerdict, 'verdict')
    }
    const hasComma = bytes.at(-1) === comma
    place = hasComma ? 'items' : 'last item'
    return { number, part: 'item', bytes: hasComma ? bytes.subarray(0, -1) : bytes }
  }

  return {
    form: 'json',
    take(line) {
      count = line.number
      switch (place) {
        case 'start':
          return demand(line, jsonFrame.beforeHeader, 'header')
        case 'header':
          place = 'after header'
          return { ...line, part: 'header' }
        case 'after header':
          return demand(line, jsonFrame.beforeItems, 'items')
        case 'items':
        case 'last item':
          return takeItem(line)
        case 'verdict':
          place = 'after verdict'
          return { ...line, part: 'verdict' }
        case 'after verdict':
          return demand(line, jsonFrame.beforeFooter, 'footer')
        case 'footer':
          place = 'after footer'
          return { ...line, part: 'footer' }
        case 'after footer':
          return line.bytes.length === 1
            ? demand(line, jsonFrame.end, 'end')
            : demand(line, jsonFrame.beforeSignature, 'signature')
        case 'signature':
          place = 'after signature'
          return { ...line, part: 'signature' }
        case 'after signature':
          return demand(line, jsonFrame.end, 'end')
        case 'end':
          throw invalidReport(line.number, 'something follows the end')
      }
    },
    end() {
      if (place !== 'end') throw invalidReport(count + 1, 'the report ends here, before its end')
    },
  }
}
