// Lines over time as SVG, one panel above the other on one axis. Just what the plots of docs/ need; no browser, no library.

export interface Line {
  readonly name: string
  readonly color: string
  readonly isDashed?: boolean
  /** [x, y], rising in x. */
  readonly points: readonly (readonly [number, number])[]
}

export interface Panel {
  readonly label: string
  readonly top: number
  readonly lines: readonly Line[]
}

export interface Plot {
  readonly title: string
  readonly xLabel: string
  readonly xMax: number
  readonly panels: readonly Panel[]
}

const width = 760
const panelHeight = 150
const margin = { left: 62, right: 14, top: 34, between: 26, bottom: 40 } as const
const inner = width - margin.left - margin.right
const gridLines = 4

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const shown = (value: number): string => Number(value.toFixed(1)).toString()

/** Points that a viewer cannot tell from their neighbours are left out: steps stay steps. */
function pathOf({ points }: Line, place: (x: number, y: number) => string): string {
  const kept = points.filter(([, y], index) => {
    const [before, after] = [points[index - 1]?.[1], points[index + 1]?.[1]]
    return before !== y || after !== y
  })
  return kept.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${place(x, y)}`).join('')
}

function panelText({ label, top, lines }: Panel, xMax: number, offset: number): string {
  const place = (x: number, y: number): string => {
    const [left, down] = [margin.left + (x / xMax) * inner, offset + (1 - Math.min(1, y / top)) * panelHeight]
    return `${left.toFixed(1)} ${down.toFixed(1)}`
  }
  const grid = Array.from({ length: gridLines + 1 }, (_, index) => {
    const y = offset + (index / gridLines) * panelHeight
    const value = shown(top * (1 - index / gridLines))
    const text = `<text x="${margin.left - 6}" y="${(y + 4).toFixed(1)}" text-anchor="end">${value}</text>`
    return `<path class="grid" d="M${margin.left} ${y.toFixed(1)}h${inner}"/>${text}`
  })
  const middle = (offset + panelHeight / 2).toFixed(1)
  const axis = `<text transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escaped(label)}</text>`
  const drawn = lines.map((line) => {
    const dash = line.isDashed === true ? ' stroke-dasharray="6 4"' : ''
    return `<path class="line" stroke="${line.color}"${dash} d="${pathOf(line, place)}"/>`
  })
  let at = margin.left + 8
  const legend = lines.map(({ name, color }) => {
    const text = `<text x="${at}" y="${offset + 13}" fill="${color}" class="name">${escaped(name)}</text>`
    at += 16 + name.length * 6.4
    return text
  })
  return [...grid, axis, ...drawn, ...legend].join('\n')
}

/** One SVG document. */
export function plotText({ title, xLabel, xMax, panels }: Plot): string {
  const height = margin.top + panels.length * (panelHeight + margin.between) + margin.bottom - margin.between
  const offsets = panels.map((_, index) => margin.top + index * (panelHeight + margin.between))
  const foot = height - margin.bottom
  const ticks = Array.from({ length: 7 }, (_, index) => {
    const x = margin.left + (index / 6) * inner
    return `<text x="${x.toFixed(1)}" y="${foot + 16}" text-anchor="middle">${shown((xMax * index) / 6)}</text>`
  })
  const style =
    'text{font:11px sans-serif;fill:#333}.title{font-size:13px;font-weight:bold}.name{font-weight:bold}' +
    '.grid{stroke:#ddd}.line{fill:none;stroke-width:1.5}'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<style>${style}</style><rect width="100%" height="100%" fill="#fff"/>`,
    `<text class="title" x="${margin.left}" y="18">${escaped(title)}</text>`,
    ...panels.map((panel, index) => panelText(panel, xMax, offsets[index] ?? 0)),
    ...ticks,
    `<text x="${margin.left + inner / 2}" y="${foot + 34}" text-anchor="middle">${escaped(xLabel)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}
