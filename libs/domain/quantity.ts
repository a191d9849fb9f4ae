// Sizes, rates, durations and percentages as people write them. Text that cannot be one is an expected outcome: a value
// that says what is wrong, in a sentence that can stand on a screen.

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string }

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value }
}

export function refused(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem }
}

/** Binary: KiB, MiB, ... of 1,024. Decimal: KB, MB, ... of 1,000. */
export type UnitFamily = 'binary' | 'decimal'

interface Unit {
  readonly name: string
  readonly bytes: number
}

const prefixes = ['K', 'M', 'G', 'T', 'P'] as const

const sizeUnits: Readonly<Record<UnitFamily, readonly Unit[]>> = {
  binary: [
    { name: 'B', bytes: 1 },
    ...prefixes.map((prefix, index) => ({ name: `${prefix}iB`, bytes: 1024 ** (index + 1) })),
  ],
  decimal: [
    { name: 'B', bytes: 1 },
    ...prefixes.map((prefix, index) => ({ name: `${prefix}B`, bytes: 1000 ** (index + 1) })),
  ],
}

const bytesOfUnit = new Map(
  [...sizeUnits.decimal, ...sizeUnits.binary].map((unit) => [unit.name.toLowerCase(), unit.bytes]),
)

const numberAndUnit = /^([0-9]{1,20})(?:\.([0-9]{1,12}))? ?([A-Za-zµ%]*)$/
const quantityCharactersMax = 64

interface Amount {
  readonly digits: bigint
  /** The number is digits / 10^decimals. */
  readonly decimals: number
  readonly unit: string
}

function readAmount(text: string): Amount | null {
  if (text.length > quantityCharactersMax) return null
  const match = numberAndUnit.exec(text.trim())
  if (match === null) return null
  const [, whole = '', fraction = '', unit = ''] = match
  return { digits: BigInt(whole + fraction), decimals: fraction.length, unit }
}

/** amount x factor, rounded down; null beyond 2^53 - 1. */
function multiply(amount: Amount, factor: number, divisor = 1): number | null {
  const product = (amount.digits * BigInt(factor)) / (10n ** BigInt(amount.decimals) * BigInt(divisor))
  return product > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(product)
}

function unitProblem(text: string, unit: string): string {
  if (unit === '') return `"${text}" has no unit; write for example ${text}MiB or ${text}MB`
  if (/^[kmgtp]b$/i.test(unit)) return `"${text}" could be bits; write ${unit.slice(0, 1).toUpperCase()}B for bytes`
  if (/^[kmgtp]i?$/i.test(unit)) {
    const prefix = unit.slice(0, 1).toUpperCase()
    return `"${text}" is not clear; write ${prefix}iB (of 1,024) or ${prefix}B (of 1,000)`
  }
  return `"${text}" has the unknown unit "${unit}"; use B, KB, MB, GB, TB, PB or KiB, MiB, GiB, TiB, PiB`
}

/** Bytes of one unit; a lower b after a capital prefix (Mb) is refused, since it means bits elsewhere. */
function unitBytes(unit: string): number | null {
  if (/^[KMGTP]b$/.test(unit)) return null
  return bytesOfUnit.get(unit.toLowerCase()) ?? null
}

/** Whole bytes, at least 1 and at most 2^53 - 1: `64MiB`, `1.5 GB`, `100B`. */
export function parseSize(text: string): Parsed<number> {
  const amount = readAmount(text)
  if (amount === null) return refused(`"${text}" is not a size; write for example 64MiB or 100GB`)
  const unit = unitBytes(amount.unit)
  if (amount.digits === 0n) return refused(`"${text}" is not a size; it must be more than 0`)
  if (unit === null) return refused(unitProblem(text, amount.unit))
  const bytes = multiply(amount, unit)
  if (bytes === null) return refused(`"${text}" is too large; it must be less than 8PiB`)
  return bytes === 0 ? refused(`"${text}" is less than one byte`) : parsed(bytes)
}

const secondsOfUnit = new Map([
  ['s', 1],
  ['sec', 1],
  ['min', 60],
  ['h', 3600],
  ['d', 86_400],
  ['day', 86_400],
])

/** Bytes a second, whole, at least 1; null means `unlimited`. Rounded down, since a rate is a hard limit: `400GB/h`, `50MB/s`. */
export function parseRate(text: string): Parsed<number | null> {
  if (text === 'unlimited') return parsed(null)
  const wrong = `"${text}" is not a rate; write for example 400GB/h, 50MB/s or unlimited`
  const slash = text.indexOf('/')
  if (slash === -1) return refused(wrong)
  const amount = readAmount(text.slice(0, slash))
  const seconds = secondsOfUnit.get(text.slice(slash + 1).trim())
  if (amount === null || seconds === undefined) return refused(wrong)
  if (amount.digits === 0n) return refused(`"${text}" would stop the job; a rate must be more than 0`)
  const unit = unitBytes(amount.unit)
  if (unit === null) return refused(unitProblem(text.slice(0, slash), amount.unit))
  const bytesPerSecond = multiply(amount, unit, seconds)
  if (bytesPerSecond === null) return refused(`"${text}" is too large; write unlimited for no limit`)
  return bytesPerSecond === 0 ? refused(`"${text}" is less than one byte a second`) : parsed(bytesPerSecond)
}

const durationUnits: readonly { readonly name: string; readonly ms: number }[] = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1000 },
  { name: 'ms', ms: 1 },
]

/** Milliseconds, at least 1: `30s`, `5min`, `1h30min`, `7d`; units from large to small, each once. */
export function parseDuration(text: string): Parsed<number> {
  const wrong = `"${text}" is not a duration; write for example 30s, 5min, 1h30min or 7d`
  const pieces = text.length > quantityCharactersMax ? null : text.match(/[0-9]+(?:\.[0-9]+)?[a-z]+/g)
  if (pieces === null || pieces.join('') !== text) return refused(wrong)
  let total = 0
  let last = -1
  for (const piece of pieces) {
    const amount = readAmount(piece)
    const index = durationUnits.findIndex((unit) => unit.name === (amount?.unit === 'm' ? 'min' : amount?.unit))
    const unit = durationUnits[index]
    if (amount === null || unit === undefined || index <= last) return refused(wrong)
    const ms = multiply(amount, unit.ms)
    if (ms === null) return refused(`"${text}" is too long`)
    total += ms
    last = index
  }
  if (!Number.isSafeInteger(total)) return refused(`"${text}" is too long`)
  return total === 0 ? refused(`"${text}" is not a duration; it must be more than 0`) : parsed(total)
}

/** Percent above 0 and up to 100, with at most three decimals: `5%`, `0.5%`. */
export function parsePercent(text: string): Parsed<number> {
  const amount = readAmount(text)
  if (amount === null || amount.unit !== '%') return refused(`"${text}" is not a percentage; write for example 10%`)
  const percent = Number(amount.digits) / 10 ** amount.decimals
  if (percent <= 0 || percent > 100) return refused(`"${text}" must be more than 0% and at most 100%`)
  return amount.decimals > 3 ? refused(`"${text}" has more than three decimals`) : parsed(percent)
}

/** Shortest text that `parseSize` reads as exactly the same number of bytes. */
export function formatSizeExact(bytes: number): string {
  const all = [...sizeUnits.binary, ...sizeUnits.decimal].filter((unit) => bytes % unit.bytes === 0)
  const largest = all.reduce((best, unit) => (unit.bytes > best.bytes ? unit : best), { name: 'B', bytes: 1 })
  return `${bytes / largest.bytes}${largest.name}`
}

/** Text that `parseRate` reads as exactly the same rate. */
export function formatRateExact(bytesPerSecond: number | null): string {
  return bytesPerSecond === null ? 'unlimited' : `${formatSizeExact(bytesPerSecond)}/s`
}

/** Text that `parseDuration` reads as exactly the same number of milliseconds. */
export function formatDurationExact(ms: number): string {
  let left = ms
  let text = ''
  for (const unit of durationUnits) {
    const count = Math.floor(left / unit.ms)
    left -= count * unit.ms
    if (count > 0) text += `${count}${unit.name}`
  }
  return text
}

/** Text that `parsePercent` reads as exactly the same percentage. */
export function formatPercentExact(percent: number): string {
  return `${percent}%`
}

/** For people: three or four figures, `612.4 GiB`, `1.20 TiB`, `17 B`. One family of units for a whole screen. */
export function formatSize(bytes: number, family: UnitFamily = 'binary'): string {
  const units = sizeUnits[family]
  let unit = units[0] ?? { name: 'B', bytes: 1 }
  for (const candidate of units) {
    // 999.95 of a unit would be shown as 1000.0 of it.
    if (bytes >= candidate.bytes * 0.99995) unit = candidate
  }
  if (unit.bytes === 1) return `${Math.round(bytes)} B`
  const value = bytes / unit.bytes
  return `${value.toFixed(value < 9.995 ? 2 : 1)} ${unit.name}`
}

/** For people: `214 MiB/s`, `9.5 MiB/s`. */
export function formatRate(bytesPerSecond: number | null, family: UnitFamily = 'binary'): string {
  if (bytesPerSecond === null) return 'unlimited'
  const [value = '0', unit = 'B'] = formatSize(bytesPerSecond, family).split(' ')
  const figure = Number(value)
  return `${figure >= 99.5 ? Math.round(figure) : figure >= 9.95 ? figure.toFixed(1) : value} ${unit}/s`
}

/** For people: two units at most, `48 min`, `1 h 05 min`, `3 d 4 h`, `12 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (seconds < 600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
  if (minutes < 60) return `${minutes} min`
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
  const hours = Math.round(minutes / 60)
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** For people: `1,204,311`. Thousands by commas in every locale: output must not depend on the machine. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(?:[0-9]{3})+$)/g, ',')
}

/** Whole percent, rounded down so that 100 is only shown when all is there; 100 for an empty whole. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return '100 %'
  return `${Math.min(100, Math.floor((part / whole) * 100))} %`
}
