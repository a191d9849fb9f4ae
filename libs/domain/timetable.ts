// Limits that depend on the hour (docs/source-protection.md "Timetable"): `400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin`.
// A rate that holds at all other times, windows with a rate each (the last that fits wins), and the time zone in which
// days and hours are meant. Which day and hour it is there comes from Intl, so a window keeps its hours when clocks change:
// it is an hour shorter or longer on that day, as the people behind it are.
import { type Parsed, parsed, parseRate, refused } from './quantity.ts'

const days: readonly string[] = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const minutesOfDay = 24 * 60
const charactersMax = 1_000
const windowsMax = 50

interface Window {
  /** 0 is Monday. */
  readonly days: ReadonlySet<number>
  readonly fromMinute: number
  /** After `fromMinute`; beyond 24:00 it reaches into the next day. */
  readonly toMinute: number
  readonly bytesPerSecond: number | null
}

export interface Timetable {
  /** Bytes a second at all other times; null: unlimited, 0: closed. */
  readonly bytesPerSecond: number | null
  readonly windows: readonly Window[]
  readonly zone: string
}

const formats = new Map<string, Intl.DateTimeFormat>()
const formatsMax = 50

/** Throws RangeError for a zone that is not known. */
function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  if (formats.size >= formatsMax) formats.clear()
  formats.set(zone, format)
  return format
}

function isZone(zone: string): boolean {
  // Offsets such as +02:00 would be taken too, and would be wrong for half of the year.
  if (!/^(UTC|[A-Z][A-Za-z_]+(\/[A-Za-z0-9_+-]+)+)$/.test(zone)) return false
  try {
    formatOf(zone)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** `Mon`, `Mon-Fri`, `Sat,Sun`, `Fri-Mon`; null when it is none. */
function readDays(text: string): ReadonlySet<number> | null {
  const found = new Set<number>()
  for (const piece of text.split(',')) {
    const [from = '', to = from, ...more] = piece.split('-')
    const [first, last] = [days.indexOf(from), days.indexOf(to)]
    if (first < 0 || last < 0 || more.length > 0) return null
    for (let day = first; ; day = (day + 1) % days.length) {
      found.add(day)
      if (day === last) break
    }
  }
  return found
}

/** `08:00-18:00`, `22:00-06:00`, `00:00-24:00`; null when it is none. */
function readHours(text: string): { readonly fromMinute: number; readonly toMinute: number } | null {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/.exec(text)
  if (match === null) return null
  const [from, to] = [Number(match[1]) * 60 + Number(match[2]), Number(match[3]) * 60 + Number(match[4])]
  if (to > minutesOfDay || from === to) return null
  return { fromMinute: from, toMinute: to > from ? to : to + minutesOfDay }
}

function readLimit(text: string): Parsed<number | null> {
  return text === 'closed' ? parsed(0) : parseRate(text)
}

const everyDay: ReadonlySet<number> = new Set(days.keys())
const form = 'a timetable reads RATE [DAYS] [HOURS] RATE ... ZONE, for example'
const example = '400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin'

/** Reads the windows between the first rate and the zone. */
function readWindows(words: readonly string[]): Parsed<readonly Window[]> {
  const windows: Window[] = []
  let next = 0
  while (next < words.length) {
    const which = readDays(words[next] ?? '')
    if (which !== null) next += 1
    const hours = readHours(words[next] ?? '')
    if (hours !== null) next += 1
    const word = words[next] ?? ''
    if (which === null && hours === null) return refused(`"${word}" is no day and no time; ${form} ${example}`)
    if (word === '') return refused(`the last window of the timetable has no rate; ${form} ${example}`)
    const limit = readLimit(word)
    if (!limit.ok) return limit
    const span = hours ?? { fromMinute: 0, toMinute: minutesOfDay }
    windows.push({ days: which ?? everyDay, ...span, bytesPerSecond: limit.value })
    next += 1
  }
  return windows.length > windowsMax ? refused(`a timetable has at most ${windowsMax} windows`) : parsed(windows)
}

/** Whether a limit is given by the hour: a rate is one word, a timetable has several. */
export function isTimetable(text: string): boolean {
  return text.trim().includes(' ')
}

export function parseTimetable(text: string): Parsed<Timetable> {
  if (text.length > charactersMax) return refused(`a timetable has at most ${charactersMax} characters`)
  const words = text.trim().split(/\s+/)
  const [first = '', zone = ''] = [words[0], words.at(-1)]
  if (words.length < 3) return refused(`"${text}" is no timetable; ${form} ${example}`)
  const limit = readLimit(first)
  if (!limit.ok) return limit
  if (!isZone(zone)) return refused(`"${zone}" is no time zone; write for example Europe/Berlin or UTC`)
  const windows = readWindows(words.slice(1, -1))
  return windows.ok ? parsed({ bytesPerSecond: limit.value, windows: windows.value, zone }) : windows
}

/** Day of the week (0 is Monday) and minute of the day at a place. */
function localTime(zone: string, wallMs: number): { readonly day: number; readonly minute: number } {
  const parts = new Map(
    formatOf(zone)
      .formatToParts(wallMs)
      .map(({ type, value }) => [type, value]),
  )
  const day = days.indexOf(parts.get('weekday') ?? '')
  return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) }
}

function covers({ days: on, fromMinute, toMinute }: Window, day: number, minute: number): boolean {
  if (on.has(day) && minute >= fromMinute && minute < toMinute) return true
  // A window that began the evening before.
  const before = (day + days.length - 1) % days.length
  return on.has(before) && minute + minutesOfDay < toMinute
}

/** Bytes a second that hold at `wallMs` (ms since 1970); null: unlimited, 0: closed. */
export function rateOfTimetable(timetable: Timetable, wallMs: number): number | null {
  const { day, minute } = localTime(timetable.zone, wallMs)
  const window = timetable.windows.findLast((one) => covers(one, day, minute))
  return window === undefined ? timetable.bytesPerSecond : window.bytesPerSecond
}

/**
 * The same for a timetable as it stands in a job. One that cannot be read is closed: whoever wrote it wanted a limit, and
 * requests may come from anyone.
 */
export function limitAt(text: string, wallMs: number): number | null {
  const timetable = parseTimetable(text)
  return timetable.ok ? rateOfTimetable(timetable.value, wallMs) : 0
}

const weekMs = 7 * 24 * 3_600_000
const strideMs = 15 * 60_000
const minuteMs = 60_000

export interface TimedLimit {
  readonly fromMs: number
  /** null: unlimited, 0: closed. */
  readonly bytesPerSecond: number | null
}

/** The limits of the seven days from `fromMs` on (ms since 1970), each from the minute at which it begins. */
export function weekOfLimits(timetable: Timetable, fromMs: number): readonly TimedLimit[] {
  const limits: TimedLimit[] = [{ fromMs, bytesPerSecond: rateOfTimetable(timetable, fromMs) }]
  const last = (): TimedLimit['bytesPerSecond'] => limits.at(-1)?.bytesPerSecond ?? null
  let atMs = fromMs - (fromMs % strideMs)
  for (const endMs = fromMs + weekMs; atMs < endMs; atMs += strideMs) {
    if (rateOfTimetable(timetable, atMs + strideMs) === last()) continue
    // Somewhere within the stride, on a whole minute.
    for (let minute = Math.max(atMs, fromMs); minute <= atMs + strideMs; minute += minuteMs) {
      const bytesPerSecond = rateOfTimetable(timetable, minute)
      if (bytesPerSecond !== last()) limits.push({ fromMs: minute, bytesPerSecond })
    }
  }
  return limits
}
