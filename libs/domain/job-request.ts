// Whether a request can be worked on. The command line and the API check what people type, each in its own words; a request
// may come from any program that writes to the log, and is judged here before a coordinator accepts it.
import type { JobRequest } from '#schemas/records'
import {
  encryptions,
  metadataProblem,
  objectOptionsOf,
  objectOptionsProblem,
  storageClassProblem,
  tagProblem,
} from './object-options.ts'
import { compileSelection } from './selection.ts'
import { parseTimetable } from './timetable.ts'

const mib = 1024 ** 2
/** What S3 takes as parts, and what a chunk may be. */
const chunkBytes = { least: 5 * mib, most: 64 * mib } as const
const workersMost = 100_000
const keyPattern = /^[!-~]{1,2048}$/

/** Words as the schema's types name them; the log holds plain text, of whatever program. */
const words: Readonly<{
  [K in 'layout' | 'symlinks' | 'overwrite' | 'verify' | 'reconcile' | 'priority']: readonly JobRequest[K][]
}> = {
  layout: ['objects'],
  symlinks: ['keep', 'skip'],
  overwrite: ['never', 'different', 'always'],
  verify: ['full', 'sample', 'none'],
  reconcile: ['listing', 'full', 'none'],
  priority: ['low', 'normal', 'high'],
}

/** These become headers of requests to the store. */
function optionProblem({ targetOptions }: JobRequest): string | null {
  const options = objectOptionsOf(targetOptions)
  const { storageClass, encryption, encryptionKey, metadata, tags } = options
  if (encryption !== null && !(encryptions as readonly string[]).includes(encryption))
    return 'sse is none that is known'
  if (encryptionKey !== null && !keyPattern.test(encryptionKey)) return 'sseKmsKeyId is no id of a key'
  const single = storageClass === null ? null : storageClassProblem(storageClass)
  const problems = [single, ...metadata.map(metadataProblem), ...tags.map(tagProblem)]
  return problems.find((problem) => problem !== null) ?? objectOptionsProblem(options)
}

function wordProblem(request: JobRequest): string | null {
  if (request.rules.some(({ action }) => action !== 'include' && action !== 'exclude'))
    return 'a rule includes or excludes'
  for (const [name, known] of Object.entries(words)) {
    const word = request[name as keyof typeof words]
    if (!(known as readonly string[]).includes(word)) return `${name}: "${word}" is none of ${known.join(', ')}`
  }
  return null
}

/** A number of items, or a share of them with a percent sign. */
function isErrorLimit(text: string): boolean {
  const number = text.replace(/%$/, '')
  return number.trim() !== '' && Number(number) >= 0
}

const isWithin = (value: number | null, least: number, most: number): boolean =>
  value === null || (value >= least && value <= most)

function numberProblem(request: JobRequest): string | null {
  const anything = Number.MAX_SAFE_INTEGER
  const checks: readonly (readonly [name: string, isGood: boolean])[] = [
    ['chunkBytes', isWithin(request.chunkBytes, chunkBytes.least, chunkBytes.most)],
    ['sizeBytesMin', isWithin(request.sizeBytesMin, 0, anything)],
    ['sizeBytesMax', isWithin(request.sizeBytesMax, 0, anything)],
    ['samplePercent', isWithin(request.samplePercent, 0, 100)],
    ['throughputBytesPerSecond', isWithin(request.throughputBytesPerSecond, 1, anything)],
    ['sourcePeakBytesPerSecond', isWithin(request.sourcePeakBytesPerSecond, 1, anything)],
    ['workersMax', isWithin(request.workersMax, 1, workersMost)],
    ['errorsMax', request.errorsMax === null || isErrorLimit(request.errorsMax)],
  ]
  const wrong = checks.find(([, isGood]) => !isGood)
  return wrong === undefined ? null : `${wrong[0]} is out of its range`
}

/** What the request cannot mean, in words; null: nothing. Its two places are judged where connections are known. */
export function jobRequestProblem(request: JobRequest): string | null {
  const selection = compileSelection(request, null)
  if (!selection.ok) return selection.problem
  const timetable = request.throughputTimetable === null ? null : parseTimetable(request.throughputTimetable)
  if (timetable?.ok === false) return timetable.problem
  return wordProblem(request) ?? numberProblem(request) ?? optionProblem(request)
}
