// Lines of styled pieces: cut to the width of the terminal first, coloured last, so that a cut never splits a colour.

export type PieceStyle = 'plain' | 'bold' | 'good' | 'warning' | 'bad'

export interface Piece {
  readonly text: string
  readonly style: PieceStyle
}

export type Line = readonly Piece[]

export function piece(text: string, style: PieceStyle = 'plain'): Piece {
  return { text, style }
}

const colors: Readonly<Record<PieceStyle, string>> = {
  plain: '',
  bold: '\u001b[1m',
  good: '\u001b[32m',
  warning: '\u001b[33m',
  bad: '\u001b[31m',
}
const reset = '\u001b[0m'

function paint({ text, style }: Piece, hasColor: boolean): string {
  return hasColor && style !== 'plain' && text !== '' ? `${colors[style]}${text}${reset}` : text
}

/** The last column stays free: a full line makes some terminals wrap. */
function cut(line: Line, columns: number): Line {
  let left = Math.max(0, columns - 1)
  return line.map((each) => {
    const text = each.text.slice(0, left)
    left -= text.length
    return { text, style: each.style }
  })
}

function renderLine(line: Line, style: { readonly columns: number; readonly hasColor: boolean }): string {
  return cut(line, style.columns)
    .map((each) => paint(each, style.hasColor))
    .join('')
    .trimEnd()
}

export function renderLines(
  lines: readonly Line[],
  style: { readonly columns: number; readonly hasColor: boolean },
): readonly string[] {
  return lines.map((line) => renderLine(line, style))
}
