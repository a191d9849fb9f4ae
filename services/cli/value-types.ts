// How the text of an option becomes a value, and back. Each kind of value stands here once: parser, help, completion and
// the options page ask it.
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

/** Bytes a second; null is unlimited. A timetable begins with a day or an hour and comes later. */
export const rate: ValueType<number | null> = {
  placeholder: 'RATE',
  words: ['unlimited'],
  completion: 'words',
  parse: (value) => (/[0-9]:[0-9]{2}/.test(value) ? refused('timetables are not supported yet') : parseRate(value)),
  show: formatRateExact,
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

const jobNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
export const jobName: ValueType<string> = {
  placeholder: 'NAME',
  words: [],
  completion: 'nothing',
  parse: (value) =>
    jobNamePattern.test(value)
      ? parsed(value)
      : refused(`"${value}" is not a name for a job; use letters, digits, dots, dashes and underscores, at most 64`),
  show: (value) => value,
}
