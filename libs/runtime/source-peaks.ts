// What sources were measured to deliver at least (`waybill doctor --measure-source`), beside the state of the jobs: one small
// file for all. The name begins with a dot, which no job's name does.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { makeFolder } from './folders.ts'

export interface SourcePeak {
  /** Lower bound. */
  readonly bytesPerSecond: number
  /** ms since 1970. */
  readonly measuredAtMs: number
}

const fileOf = (folder: string): string => join(folder, '.source-peaks.json')
const peaksMax = 10_000

function isPeak(value: unknown): value is SourcePeak {
  if (typeof value !== 'object' || value === null) return false
  const { bytesPerSecond, measuredAtMs } = value as Partial<Record<keyof SourcePeak, unknown>>
  return Number.isSafeInteger(bytesPerSecond) && Number(bytesPerSecond) > 0 && Number.isSafeInteger(measuredAtMs)
}

async function readAll(folder: string): Promise<ReadonlyMap<string, SourcePeak>> {
  const text = await readFile(fileOf(folder), 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '{}'
    throw new WaybillError('CONFIG_INVALID', { problem: `${fileOf(folder)} cannot be read` }, { cause: error })
  })
  let peaks: unknown
  try {
    peaks = JSON.parse(text)
  } catch (cause) {
    throw new WaybillError('CONFIG_INVALID', { problem: `${fileOf(folder)} is no JSON; remove it` }, { cause })
  }
  return new Map(Object.entries(Object(peaks)).flatMap(([name, value]) => (isPeak(value) ? [[name, value]] : [])))
}

/** null: never measured. Throws CONFIG_INVALID. */
export async function readSourcePeak(folder: string, source: string): Promise<SourcePeak | null> {
  return (await readAll(folder)).get(source) ?? null
}

/** Replaces what was measured before. Throws CONFIG_INVALID, and what the file system says. */
export async function writeSourcePeak(folder: string, source: string, peak: SourcePeak): Promise<void> {
  const others = [...(await readAll(folder))].filter(([name]) => name !== source).slice(1 - peaksMax)
  await makeFolder(folder, 0o700)
  const text = JSON.stringify(Object.fromEntries([...others, [source, peak]]), undefined, 2)
  const partial = `${fileOf(folder)}.partial`
  await writeFile(partial, `${text}\n`, { mode: 0o600 })
  await rename(partial, fileOf(folder))
}
