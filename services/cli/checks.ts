// What doctor looks at: one line each, good, worth a warning, or in the way.
import { access, constants, readFile, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCatalogue, isErrorCode, WaybillError } from '#libs/domain/errors'
import { formatCount, formatSize } from '#libs/domain/quantity'
import type { Source } from '#libs/source/source'
import type { Target } from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'

export interface Check {
  readonly name: string
  readonly result: 'ok' | 'warning' | 'failure'
  /** What was found, for people. */
  readonly told: string
  readonly code: string | null
  readonly abilities: TargetAbilities | null
}

export const check = (name: string, result: Check['result'], told: string): Check => ({
  name,
  result,
  told,
  code: null,
  abilities: null,
})

/** A check that ended by an error of the catalogue is a failure that says what to do; all else is our mistake. */
export async function guarded(name: string, run: () => Promise<Check>): Promise<Check> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error
    const facts = Object.entries(error.facts).map(([fact, value]) => `${fact}=${String(value)}`)
    const told = `${error.code}: ${errorCatalogue[error.code].help}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`
    return { ...check(name, 'failure', told), code: error.code }
  }
}

const nodeMinimum = [22, 18] as const

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNew = major > nodeMinimum[0] || (major === nodeMinimum[0] && minor >= nodeMinimum[1])
  return check('node', isNew ? 'ok' : 'failure', `${version}, needed is ${nodeMinimum.join('.')} or newer`)
}

/** Log and store of a job of a million items take about 1 GB. */
const spaceBytesWanted = 1024 ** 3
const spaceBytesNeeded = 64 * 1024 ** 2

async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    try {
      await access(at, constants.F_OK)
      return at
    } catch (error) {
      if (at === dirname(at)) throw error
    }
  }
}

export async function checkStateFolder(folder: string): Promise<readonly Check[]> {
  const place = await nearestExisting(folder)
  const what = place === folder ? folder : `${folder}, which will be made in ${place}`
  const isWritable = await access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  const space = free < spaceBytesNeeded ? 'failure' : free < spaceBytesWanted ? 'warning' : 'ok'
  return [
    check('state folder', isWritable ? 'ok' : 'failure', isWritable ? what : `${what}: cannot be written`),
    check('free space', space, `${formatSize(free)} for the state; about 1 GiB holds a million items`),
  ]
}

const openFilesWanted = 1024

export async function checkOpenFiles(): Promise<Check> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  if (soft === undefined) return check('open files', 'warning', 'the limit cannot be read on this system')
  const isEnough = soft === 'unlimited' || Number(soft) >= openFilesWanted
  const told = `at most ${soft === 'unlimited' ? soft : formatCount(Number(soft))}, ${formatCount(openFilesWanted)} are enough`
  return check('open files', isEnough ? 'ok' : 'warning', told)
}

export function checkSource(name: string, source: Source): Promise<Check> {
  return guarded(`source ${name}`, async () => {
    const { rootIdentity, readView } = await source.describe()
    return check(`source ${name}`, 'ok', `readable, ${readView}, root ${rootIdentity}`)
  })
}

const clockOffsetMsMax = 60_000

function abilityWords(abilities: TargetAbilities): string {
  const words = Object.entries(abilities).flatMap(([name, value]) => (value === true ? [name] : []))
  return words.map((word) => word.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)).join(', ')
}

/** Tries the target; what is found stands in findings, what is in the way in the code. */
export function checkTarget(name: string, target: Target, signal: AbortSignal): Promise<Check> {
  return guarded(`target ${name}`, async () => {
    const survey = target.survey()
    try {
      const { abilities, findings } = await survey.probe(signal)
      const told = findings.map((code) => (isErrorCode(code) ? `${code}: ${errorCatalogue[code].help}` : code))
      const facts = `writable; ${abilities.kind} ${abilities.server}: ${abilityWords(abilities)}`
      const result = findings.length > 0 ? 'warning' : 'ok'
      return { ...check(`target ${name}`, result, [facts, ...told].join('; ')), abilities }
    } finally {
      await survey.close()
    }
  })
}

/** Our clock beside that of each store that answered; nothing where there was none to compare it with. */
export function compareClocks(checks: readonly Check[]): readonly Check[] {
  return checks.flatMap(({ name, abilities }) => {
    if (abilities?.kind !== 's3') return []
    const { clockOffsetMs } = abilities
    const seconds = formatCount(Math.round(Math.abs(clockOffsetMs) / 1000))
    const told =
      Math.abs(clockOffsetMs) < 1000
        ? `within a second of ${name}`
        : `${seconds} s ${clockOffsetMs > 0 ? 'behind' : 'ahead of'} ${name}`
    return [check('clock', Math.abs(clockOffsetMs) > clockOffsetMsMax ? 'warning' : 'ok', told)]
  })
}

export function checkPlaces(name: string, apart: () => Promise<void>): Promise<Check> {
  return guarded(name, async () => {
    await apart()
    return check(name, 'ok', 'source and target lie apart')
  })
}
