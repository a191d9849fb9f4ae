// One item's history for people, and as an object.
import { showName, showText } from '#libs/domain/name-text'
import { contentBytes } from '#libs/domain/plan'
import { formatCount, formatSize } from '#libs/domain/quantity'
import type { GenerationHistory, ItemHistory } from '#libs/projection/item-history'
import type { Evidence } from '#libs/projection/item-reader'
import type { Listing } from '#libs/projection/item-search'
import { type HistoryStep, stepsOf } from './history-steps.ts'

export interface Explanation {
  readonly job: string
  readonly history: ItemHistory
  readonly evidence: Evidence
  /** What it is as of, while another process works on the job; null: at rest. */
  readonly asOf: string | null
}

/** Chunks without trouble that are shown; the others are counted. */
const plainChunksShown = 3
const troubledChunksShown = 20

const outcomeWords = (outcome: string, code: string | null): string =>
  `${outcome.replaceAll('_', ' ')}${code === null ? '' : ` (${code})`}`

function nsText(ns: string): string {
  const ms = Number(BigInt(ns) / 1_000_000n)
  return `${new Date(ms).toISOString()} (${ns} ns)`
}

function factsText(facts: HistoryStep['facts']): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== null && value !== false)
    .map(([name, value]) => `${name.replaceAll('_', ' ')}${value === true ? '' : ` ${showText(String(value))}`}`)
    .join(', ')
}

function stepLine({ at, step, chunk, topic, partition, position, writer, facts, isTrouble }: HistoryStep): string {
  const where = chunk === null ? '' : `chunk ${chunk}: `
  return ` ${isTrouble ? '!' : ' '} ${at}  ${step.padEnd(11)} ${where}${factsText(facts)}  [${topic}/${partition}:${position}, ${showText(writer)}]`
}

/** The last trouble of a generation before the next one was listed. The clocks are for people: this is told, not decided. */
function troubleBefore(generation: GenerationHistory, next: GenerationHistory): string {
  const limit = new Date(next.listing.page.at).toISOString()
  const last = stepsOf(generation).findLast(({ isTrouble, at, step }) => isTrouble && step !== 'leased' && at <= limit)
  if (last === undefined) return ''
  const { outcome, code, round } = last.facts
  const when = round === undefined ? '' : ` in round ${round}`
  return `, since generation ${generation.generation} was ${last.step}${when}: ${[outcome, code].filter((word) => typeof word === 'string').join(' ')}`
}

/** Why a generation was made, in words. */
function reasonOf(generation: GenerationHistory, before: GenerationHistory | undefined): string {
  const { page } = generation.listing
  if (before === undefined) return generation.generation === 1 ? 'first listing' : 'listed again'
  switch (page.kind) {
    case 'listing':
      return `listed as new or changed in pass ${page.pass}`
    case 'relist':
      return `listed again${troubleBefore(before, generation)}`
    case 'repair':
      return `repair${troubleBefore(before, generation)}`
  }
}

function stateOf(generation: GenerationHistory, next: GenerationHistory | undefined): string {
  const { outcome, code } = generation.current
  return next === undefined ? outcomeWords(outcome, code) : `superseded by generation ${next.generation}`
}

function placeText({ place, chunks }: GenerationHistory): string {
  switch (place.form) {
    case 'page':
      return 'nothing to move'
    case 'pack':
      return `entry ${place.index + 1} of pack ${place.chunk} on chunks/${chunks[0]?.row?.partition ?? '?'}`
    case 'upload':
      return `${formatCount(place.count)} chunks of its own, ${place.chunk} and on`
  }
}

/** All steps where there are few chunks; else those of the first ones and of those with trouble. */
function shownSteps(steps: readonly HistoryStep[]): { readonly shown: readonly HistoryStep[]; readonly left: number } {
  const troubled = new Set<string>()
  const plain = new Set<string>()
  for (const { chunk, isTrouble } of steps) if (chunk !== null && isTrouble) troubled.add(chunk)
  for (const { chunk } of steps) if (chunk !== null && !troubled.has(chunk)) plain.add(chunk)
  const kept = new Set([...[...plain].slice(0, plainChunksShown), ...[...troubled].slice(0, troubledChunksShown)])
  return {
    shown: steps.filter(({ chunk }) => chunk === null || kept.has(chunk)),
    left: plain.size + troubled.size - kept.size,
  }
}

interface Neighbours {
  readonly before: GenerationHistory | undefined
  readonly next: GenerationHistory | undefined
}

function generationLines(generation: GenerationHistory, { before, next }: Neighbours): readonly string[] {
  const { shown, left } = shownSteps(stepsOf(generation))
  return [
    '',
    `generation ${generation.generation}: ${reasonOf(generation, before)}; ${placeText(generation)}; ${stateOf(generation, next)}`,
    ...shown.map(stepLine),
    ...(left > 0 ? [`   and ${formatCount(left)} chunks more, all in --json`] : []),
  ]
}

function passLine({ page, index, item }: Listing): string {
  const what = item.carried === null ? `generation ${item.generation}` : 'unchanged, its outcome is carried'
  return ` pass ${page.pass}         ${new Date(page.at).toISOString()}  page ${page.page}, entry ${index}: ${what}`
}

/** Ends with a line end. */
export function explainText({ job, history, evidence, asOf }: Explanation): string {
  const { listed, outcome, code } = history.current
  const { identity, attributes } = listed
  const digest = evidence.chunks.length === 1 && listed.kind !== 'directory' ? evidence.chunks[0]?.digest : null
  return `${[
    `${showName(history.name)}: ${outcomeWords(outcome, code)}`,
    ` job            ${showText(job)}`,
    ...(asOf === null ? [] : [` as of          ${asOf}`]),
    ` kind           ${listed.kind}, ${formatSize(contentBytes(listed))} (${contentBytes(listed)} bytes)`,
    ...(listed.link === null ? [] : [` link           ${showName(listed.link)}`]),
    ` item           ${history.item}, generation ${history.current.place.generation}`,
    ` source         modified ${nsText(identity.mtimeNs)}, changed ${nsText(identity.ctimeNs)}, inode ${identity.inode}, mode ${(attributes.mode & 0o7777).toString(8)}, owner ${attributes.uid}:${attributes.gid}`,
    ...(evidence.key === null ? [] : [` key            ${showName(evidence.key)}`]),
    ...(evidence.seal === null ? [] : [` seal           ${showText(evidence.seal)}`]),
    ...(digest == null ? [] : [` sha256         ${digest.toString('hex')}`]),
    ...history.passes.map(passLine),
    ...history.generations.flatMap((generation, n) =>
      generationLines(generation, { before: history.generations[n - 1], next: history.generations[n + 1] }),
    ),
  ].join('\n')}\n`
}

export function explainObject({ job, history, evidence, asOf }: Explanation): object {
  const { listed, outcome, code } = history.current
  return {
    job_id: job,
    as_of: asOf,
    name: showName(history.name),
    name_base64: history.name.toString('base64'),
    item: history.item,
    kind: listed.kind,
    size: contentBytes(listed),
    outcome,
    code,
    source: listed.identity,
    key_base64: evidence.key?.toString('base64') ?? null,
    seal: evidence.seal,
    chunks: evidence.chunks.map(({ offset, length, digest, wrong }) => ({
      offset,
      length,
      source_sha256: digest?.toString('hex') ?? null,
      target_sha256: wrong === null ? (digest?.toString('hex') ?? null) : wrong.toString('hex') || null,
    })),
    passes: history.passes.map(({ page, index, item }) => ({
      pass: page.pass,
      page: page.page,
      entry: index,
      at: new Date(page.at).toISOString(),
      is_unchanged: item.carried !== null,
    })),
    generations: history.generations.map((generation, n) => ({
      generation: generation.generation,
      reason: reasonOf(generation, history.generations[n - 1]),
      form: generation.place.form,
      first_chunk: generation.place.chunk,
      chunks: generation.chunks.length,
      is_superseded: n < history.generations.length - 1,
      steps: stepsOf(generation).map(({ isTrouble, facts, ...step }) => ({ ...step, is_trouble: isTrouble, ...facts })),
    })),
  }
}
