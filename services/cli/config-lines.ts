// Lines of the configuration file, so that a complaint can name one. The TOML reader tells places of broken syntax only;
// for what it read, the text is searched for the usual ways of writing a key. What is written in another way has no line.

/** `[a.b]` or `[[a.b]]`, quotes taken out. */
const headerPattern = /^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$/
const keyPattern = /^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=/

function partsOf(dotted: string): readonly string[] {
  return [...dotted.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  )
}

const isStart = (place: readonly string[], of: readonly string[]): boolean =>
  place.length <= of.length && place.every((part, index) => part === of[index])

export class ConfigLines {
  /** Full path of each key and header, in the order of the lines. */
  readonly #places: readonly { readonly line: number; readonly place: readonly string[] }[]

  constructor(text: string) {
    let header: readonly string[] = []
    this.#places = text.split('\n').flatMap((line, index) => {
      const opened = headerPattern.exec(line)?.[1]
      if (opened !== undefined) header = partsOf(opened)
      const key = opened === undefined ? keyPattern.exec(line)?.[1] : undefined
      if (opened === undefined && key === undefined) return []
      return [{ line: index + 1, place: key === undefined ? header : [...header, ...partsOf(key)] }]
    })
  }

  /** Line of the key, else of the nearest table or key around it; null when nothing of it is found. Counted from 1. */
  lineOf(place: readonly string[]): number | null {
    for (let length = place.length; length > 0; length -= 1) {
      const wanted = place.slice(0, length)
      const found = this.#places.find((one) => isStart(wanted, one.place))
      if (found !== undefined) return found.line
    }
    return null
  }
}
