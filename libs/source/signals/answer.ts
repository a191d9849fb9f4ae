// What a command or a server answers: a number by itself, or JSON with a number in it.
import { WaybillError } from '#libs/domain/errors'
import type { LoadReading } from '../load-signal.ts'

export const answerBytesMax = 64 * 1024

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function unreadable(name: string, problem: string): WaybillError {
  return new WaybillError('SIGNAL_UNREADABLE', { name, problem })
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw unreadable(name, 'neither a number nor JSON')
    throw error
  }
}

/** Reads `0.7`, or `{"value": 0.7, "bytes_per_second": 1e9}`. Throws SIGNAL_UNREADABLE. */
export function readAnswer(name: string, text: string): LoadReading {
  const parsed = parseJson(name, text.trim())
  if (isNumber(parsed)) return { value: parsed, bytesPerSecond: null }
  if (typeof parsed !== 'object' || parsed === null) throw unreadable(name, 'neither a number nor an object')
  const { value, bytes_per_second: bytesPerSecond = null } = parsed as Readonly<Record<string, unknown>>
  if (!isNumber(value)) throw unreadable(name, '"value" is no number')
  if (bytesPerSecond !== null && !isNumber(bytesPerSecond)) throw unreadable(name, '"bytes_per_second" is no number')
  return { value, bytesPerSecond }
}

/**
 * Reads the answer of a Prometheus query (HTTP API, "Expression query result formats"): a scalar, or a vector of which the
 * highest value counts, since one busy disk of several is enough. Throws SIGNAL_UNREADABLE.
 */
export function readQueryAnswer(name: string, text: string): LoadReading {
  const { status, data } = Object(parseJson(name, text)) as { status?: unknown; data?: unknown }
  if (status !== 'success') throw unreadable(name, 'the query did not succeed')
  const { resultType, result } = Object(data) as { resultType?: unknown; result?: unknown }
  const samples = resultType === 'scalar' ? [result] : resultType === 'vector' ? vectorOf(result) : []
  const values = samples.map((sample) => (Array.isArray(sample) ? Number(sample[1]) : Number.NaN))
  if (values.length === 0) throw unreadable(name, 'the query found nothing')
  if (!values.every(Number.isFinite)) throw unreadable(name, 'the query found what is no number')
  return { value: Math.max(...values), bytesPerSecond: null }
}

function vectorOf(result: unknown): readonly unknown[] {
  return Array.isArray(result) ? result.map((series) => (Object(series) as { value?: unknown }).value) : []
}
