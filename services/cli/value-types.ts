// How the text of an option becomes a value, and back. Each kind of value stands here once: parser, help, completion and
// the options page ask it.
import { isJobName } from '#libs/domain/job-name'
import { metadataProblem, type Pair, storageClassProblem, tagProblem } from '#libs/domain/object-options'
import {
  formatRateExact,
  formatSizeExact,
  type Parsed,
  parsed,
  parsePercent,
  parseRate,
  parseSize,
  refused,
} from '#libs/domain/quantity'
import { isTimetable, parseTimetable } from '#libs/domain/timetable'

/** What a shell should offer after the option. */
export type Completion = 'files' | 'folders' | 'words' | 'nothing'

export interface ValueType<T> {
  /** Stands for the value in help, in capitals; empty for a flag, which takes none. */
  readonly placeholder: string
  /** All or some of the words it can be. */
  readonly words: readonly string[]
  readonly completion: Completion
  parse(text: string): Parsed<T>
  /** Text that `parse` reads as the same value. */
  show(value: T): string
}

export const flag: ValueType<boolean> = {
  placeholder: '',
  words: ['true', 'false'],
  completion: 'nothing',
  parse: (text) => {
    if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return parsed(true)
    if (['false', '0', 'no', 'off', ''].includes(text.toLowerCase())) return parsed(false)
    return refused(`"${text}" is neither true nor false`)
  },
  show: String,
}

export function text(placeholder: string, completion: Completion = 'nothing'): ValueType<string> {
  return {
    placeholder,
    words: [],
    completion,
    parse: (value) => (value === '' ? refused('it must not be empty') : parsed(value)),
    show: (value) => value,
  }
}

/** One of some words. `later` are words of features that do not exist yet: they get an answer of their own. */
export function choice<const T extends string>(words: readonly T[], later: readonly string[] = []): ValueType<T> {
  return {
    placeholder: words.join('|'),
    words,
    completion: 'words',
    parse: (value) => {
      const found = words.find((word) => word === value)
      if (found !== undefined) return parsed(found)
      if (later.includes(value)) return refused(`"${value}" is not supported yet`)
      return refused(`"${value}" is not one of ${words.join(', ')}`)
    },
    show: (value) => value,
  }
}

export const size: ValueType<number> = {
  placeholder: 'SIZE',
  words: [],
  completion: 'nothing',
  parse: parseSize,
  show: formatSizeExact,
}

/** Bytes a second; null is unlimited. */
export const rate: ValueType<number | null> = {
  placeholder: 'RATE',
  words: ['unlimited'],
  completion: 'words',
  parse: parseRate,
  show: formatRateExact,
}

export interface Throughput {
  /** null: unlimited, or by the timetable. */
  readonly bytesPerSecond: number | null
  /** As it was written; null: the same limit at all times. */
  readonly timetable: string | null
}

export const noThroughput: Throughput = { bytesPerSecond: null, timetable: null }

/** A rate, or a timetable of rates. */
export const throughput: ValueType<Throughput> = {
  placeholder: 'RATE|TIMETABLE',
  words: ['unlimited'],
  completion: 'words',
  parse: (value) => {
    if (!isTimetable(value)) {
      const limit = parseRate(value)
      return limit.ok ? parsed({ bytesPerSecond: limit.value, timetable: null }) : limit
    }
    const timetable = parseTimetable(value)
    return timetable.ok ? parsed({ bytesPerSecond: null, timetable: value.trim() }) : timetable
  },
  show: ({ bytesPerSecond, timetable }) => timetable ?? formatRateExact(bytesPerSecond),
}

/** A number above 0, with at most nine digits on either side of the point. */
export const positive: ValueType<number> = {
  placeholder: 'NUMBER',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const found = /^[0-9]{1,9}(\.[0-9]{1,9})?$/.test(value) ? Number(value) : 0
    return found > 0 ? parsed(found) : refused(`"${value}" is not a number above 0`)
  },
  show: String,
}

/** A size within bounds, both included. */
export function sizeWithin(minimum: number, maximum: number): ValueType<number> {
  return {
    ...size,
    parse: (value) => {
      const result = parseSize(value)
      if (!result.ok || (result.value >= minimum && result.value <= maximum)) return result
      return refused(`"${value}" is not within ${formatSizeExact(minimum)} and ${formatSizeExact(maximum)}`)
    },
  }
}

export function countWithin(minimum: number, maximum: number): ValueType<number> {
  return {
    placeholder: 'N',
    words: [],
    completion: 'nothing',
    parse: (value) => {
      const count = /^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN
      if (count >= minimum && count <= maximum) return parsed(count)
      return refused(`"${value}" is not a whole number from ${minimum} to ${maximum}`)
    },
    show: String,
  }
}

const concurrencyCount = countWithin(1, 1024)
/** Requests in flight; null lets the program choose. */
export const concurrency: ValueType<number | null> = {
  placeholder: 'auto|N',
  words: ['auto'],
  completion: 'words',
  parse: (value) => (value === 'auto' ? parsed(null) : concurrencyCount.parse(value)),
  show: (value) => (value === null ? 'auto' : String(value)),
}

export interface VerifyMode {
  readonly mode: 'full' | 'sample' | 'none'
  /** 1 to 100; 100 for full, 0 for none. */
  readonly samplePercent: number
}

export const verifyMode: ValueType<VerifyMode> = {
  placeholder: 'full|sample=N%|none',
  words: ['full', 'sample=10%', 'none'],
  completion: 'words',
  parse: (value) => {
    if (value === 'full') return parsed({ mode: 'full', samplePercent: 100 })
    if (value === 'none') return parsed({ mode: 'none', samplePercent: 0 })
    if (!value.startsWith('sample=')) return refused(`"${value}" is not one of full, sample=N%, none`)
    const percent = parsePercent(value.slice('sample='.length))
    if (!percent.ok) return percent
    if (!Number.isInteger(percent.value)) return refused(`"${value}" must be a whole percentage`)
    return parsed({ mode: 'sample', samplePercent: percent.value })
  },
  show: (value) => (value.mode === 'sample' ? `sample=${value.samplePercent}%` : value.mode),
}

/** Words with commas between them, each at most once. */
export function several<const T extends string>(words: readonly T[]): ValueType<readonly T[]> {
  const each = choice(words)
  return {
    placeholder: 'LIST',
    words: [...words],
    completion: 'words',
    parse: (value) => {
      const chosen: T[] = []
      for (const word of value.split(',')) {
        const result = each.parse(word.trim())
        if (!result.ok) return result
        chosen.push(result.value)
      }
      return parsed([...new Set(chosen)])
    },
    show: (values) => values.join(','),
  }
}

const durationUnits: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds, written as `90s`, `30min`, `12h`, `7d`. */
export const duration: ValueType<number> = {
  placeholder: 'TIME',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const [, count, unit = ''] = /^([0-9]{1,7}(?:\.[0-9]{1,3})?) ?(s|min|h|d)$/.exec(value) ?? []
    const ms = Math.round(Number(count) * (durationUnits[unit] ?? Number.NaN))
    return ms > 0 ? parsed(ms) : refused(`"${value}" is not a length of time; write for example 90s, 30min, 12h, 7d`)
  },
  show: (value) => `${value / 1000}s`,
}

/** How many failed items stop the job: a count, or a share of what was listed. Kept as text: `100`, `0.5%`. */
export const errorLimit: ValueType<string> = {
  placeholder: 'N|N%',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const result = value.endsWith('%') ? parsePercent(value) : countWithin(1, 1_000_000_000_000).parse(value)
    return result.ok ? parsed(value) : result
  },
  show: (value) => value,
}

/** Milliseconds since 1970. Only absolute times: the same command must mean the same selection tomorrow. */
export const moment: ValueType<number> = {
  placeholder: 'TIME',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const wrong = `"${value}" is not a time; write for example 2026-11-24 or 2026-11-24T08:30:00+01:00 (UTC if no zone)`
    const match =
      /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?))?(Z|[+-][0-9]{2}:[0-9]{2})?$/.exec(
        value,
      )
    if (match === null) return refused(wrong)
    const [, day = '', time = '00:00', zone = 'Z'] = match
    const ms = Date.parse(`${day}T${time}${zone}`)
    // Date.parse rolls 31 February over into March.
    const isRealDay = new Date(Date.parse(`${day}T00:00Z`)).toISOString().startsWith(day)
    return Number.isNaN(ms) || !isRealDay ? refused(wrong) : parsed(ms)
  },
  show: (value) => new Date(value).toISOString(),
}

export type Until =
  | { readonly kind: 'time'; readonly ms: number }
  /** Last position that counts, by partition (`jobs/0`). */
  | { readonly kind: 'positions'; readonly last: ReadonlyMap<string, number> }

const positionPattern = /^((?:jobs|listings|chunks|rates)\/[0-9]{1,6}):([0-9]{1,15})$/

/** A moment, or positions as `jobs/0:12,chunks/3:800`. */
export const until: ValueType<Until> = {
  placeholder: 'TIME|POSITIONS',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const places = value.split(',').map((place) => positionPattern.exec(place.trim()))
    if (places.every((place) => place === null)) {
      const time = moment.parse(value)
      return time.ok ? parsed({ kind: 'time', ms: time.value }) : time
    }
    const last = new Map<string, number>()
    for (const place of places) {
      if (place === null) return refused(`"${value}" is not a list of positions such as jobs/0:12,chunks/3:800`)
      last.set(place[1] ?? '', Number(place[2]))
    }
    return parsed({ kind: 'positions', last })
  },
  show: (value) =>
    value.kind === 'time'
      ? moment.show(value.ms)
      : [...value.last].map(([id, position]) => `${id}:${position}`).join(','),
}

/** `NAME=VALUE`, cut at the first equals sign. @param nameOf the one form in which names are kept. */
function pair(nameOf: (name: string) => string, problemOf: (pair: Pair) => string | null): ValueType<Pair> {
  return {
    placeholder: 'NAME=VALUE',
    words: [],
    completion: 'nothing',
    parse: (value) => {
      const end = value.indexOf('=')
      if (end < 0) return refused(`"${value}" is not of the form NAME=VALUE`)
      const cut: Pair = [nameOf(value.slice(0, end)), value.slice(end + 1)]
      const problem = problemOf(cut)
      return problem === null ? parsed(cut) : refused(problem)
    },
    show: ([name, value]) => `${name}=${value}`,
  }
}

/** Stores send metadata names in lower case, whatever was written. */
export const metadata = pair((name) => name.toLowerCase(), metadataProblem)
export const tag = pair((name) => name, tagProblem)

export const storageClass: ValueType<string> = {
  placeholder: 'CLASS',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const problem = storageClassProblem(value)
    return problem === null ? parsed(value) : refused(problem)
  },
  show: (value) => value,
}

/** Id or ARN of a key; printable, since it travels as a header. */
export const encryptionKey: ValueType<string> = {
  placeholder: 'ID',
  words: [],
  completion: 'nothing',
  parse: (value) => (/^[!-~]{1,2048}$/.test(value) ? parsed(value) : refused(`"${value}" is not a key's id`)),
  show: (value) => value,
}

export const endpoint: ValueType<string> = {
  placeholder: 'URL',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    if (!URL.canParse(value)) return refused(`"${value}" is not a URL; write for example https://s3.example.com`)
    const url = new URL(value)
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      return refused(`"${value}" must begin with http:// or https://`)
    if (url.username !== '' || url.password !== '') return refused('an endpoint takes no user or password')
    return parsed(value)
  },
  show: (value) => value,
}

export const jobName: ValueType<string> = {
  placeholder: 'NAME',
  words: [],
  completion: 'nothing',
  parse: (value) =>
    isJobName(value)
      ? parsed(value)
      : refused(`"${value}" is not a name for a job; use letters, digits, dots, dashes and underscores, at most 64`),
  show: (value) => value,
}

/** `host:port`; an IPv6 address stands in brackets. */
export const broker: ValueType<string> = {
  placeholder: 'HOST:PORT',
  words: [],
  completion: 'nothing',
  parse: (value) => {
    const port = Number(/^(?:\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+):([0-9]{1,5})$/.exec(value)?.[1] ?? 0)
    return port > 0 && port < 65_536 ? parsed(value) : refused(`"${value}" is not of the form host:port`)
  },
  show: (value) => value,
}

/** Kafka's rule for topics, with space left for the name behind the prefix. */
export const topicPrefix: ValueType<string> = {
  placeholder: 'PREFIX',
  words: [],
  completion: 'nothing',
  parse: (value) =>
    /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/.test(value)
      ? parsed(value)
      : refused(
          `"${value}" cannot begin a topic's name; use letters, digits, dots, dashes and underscores, at most 200`,
        ),
  show: (value) => value,
}

export const instanceName: ValueType<string> = {
  placeholder: 'NAME',
  words: [],
  completion: 'nothing',
  parse: (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value)
      ? parsed(value)
      : refused(
          `"${value}" is not a name for a process; use letters, digits, dots, dashes and underscores, at most 128`,
        ),
  show: (value) => value,
}

export const variableName: ValueType<string> = {
  placeholder: 'VARIABLE',
  words: [],
  completion: 'nothing',
  parse: (value) =>
    /^[A-Za-z_][A-Za-z0-9_]*$/.test(value) ? parsed(value) : refused(`"${value}" is not the name of a variable`),
  show: (value) => value,
}
