// The events of an item's history as steps: one shape for the screen and for JSON.
import { showText } from '#libs/domain/name-text'
import type { ItemEvent, PlacedEvent } from '#libs/projection/chunk-history'
import type { GenerationHistory } from '#libs/projection/item-history'
import type { EventOf } from '#schemas/events'
import type { Proof } from '#schemas/records'

export interface HistoryStep {
  /** RFC 3339, UTC; the clock of the machine that wrote it, for people. */
  readonly at: string
  readonly step: 'listed' | 'opened' | 'planned' | 'leased' | 'transferred' | 'failed' | 'read back' | 'sealed'
  readonly chunk: string | null
  readonly topic: string
  readonly partition: number
  readonly position: number
  readonly writer: string
  /** Something a person would look for. */
  readonly isTrouble: boolean
  readonly facts: Readonly<Record<string, string | number | boolean | null>>
}

type Facts = HistoryStep['facts']
type Told = Pick<HistoryStep, 'step' | 'isTrouble' | 'facts'>

interface Subject {
  readonly item: string
  readonly generation: number
}

const hex = (digest: Buffer): string | null => (digest.length === 0 ? null : digest.toString('hex'))

function ofSubject<T extends Subject>(entries: readonly T[], { item, generation }: Subject): T | undefined {
  return entries.find((entry) => entry.item === item && entry.generation === generation)
}

function plannedFacts(event: EventOf<'ChunkPlanned'>, subject: Subject): Facts {
  const index = event.extents.findIndex((extent) => extent.item === subject.item)
  const extent = event.extents[index]
  const origin = event.copy === null ? 'source' : `copy inside the target of ${event.copy.seal}`
  return {
    offset: extent?.offset ?? 0,
    length: extent?.length ?? 0,
    extent: index + 1,
    extents: event.extents.length,
    ...(event.part === null ? {} : { part: event.part }),
    from: event.givenSeal === null ? origin : `the object that is there, ${event.givenSeal}`,
  }
}

function transferred(event: EventOf<'ChunkTransferred'>, subject: Subject): Told {
  const entry = ofSubject(event.entries, subject)
  const facts = {
    attempt: event.attempt,
    outcome: entry?.outcome ?? 'not told',
    code: entry?.code ?? null,
    sha256: entry === undefined ? null : hex(entry.digest),
    bytes: entry?.bytes ?? 0,
    seal: entry?.seal ?? null,
    tag: entry?.tag ?? null,
  }
  return { step: 'transferred', isTrouble: entry?.outcome !== 'written' && entry?.outcome !== 'given', facts }
}

function readBackBy(proof: Proof, subject: Subject): Told {
  const entry = ofSubject(proof.entries, subject)
  const isEqual = entry?.outcome === 'verified'
  const facts = {
    round: proof.round,
    reader: proof.reader,
    cache_bypassed: proof.bypassedCache,
    seal: proof.seal,
    outcome: entry?.outcome ?? 'not told',
    code: entry?.code ?? null,
    target_sha256: entry === undefined ? null : hex(entry.digest),
    source_sha256: entry === undefined ? null : hex(entry.expected),
  }
  return { step: 'read back', isTrouble: !isEqual, facts }
}

function failed(event: EventOf<'ChunkFailed'>, subject: Subject): Told {
  if (event.proof !== null) {
    const told = readBackBy(event.proof, subject)
    return told.facts['outcome'] === 'not told' ? { ...told, isTrouble: false } : told
  }
  const { by, attempt, code, detail, isCounted, isFinal } = event
  const facts = { by, attempt, code, detail: showText(detail), counted: isCounted, final: isFinal }
  return { step: 'failed', isTrouble: true, facts }
}

/** What an event says of the item. */
function tell(event: ItemEvent, subject: Subject): Told {
  switch (event.type) {
    case 'ChunkPlanned':
      return { step: 'planned', isTrouble: false, facts: plannedFacts(event, subject) }
    case 'ChunkLeased':
      return { step: 'leased', isTrouble: event.attempt > 1, facts: { attempt: event.attempt, claim: event.claim } }
    case 'ChunkTransferred':
      return transferred(event, subject)
    case 'ChunkVerified':
      return readBackBy(event.proof, subject)
    case 'ChunkFailed':
      return failed(event, subject)
    case 'UploadOpened': {
      const { upload, givenSeal, replaces, partBytes, code } = event
      const facts = { upload, given_seal: givenSeal, replaces, part_bytes: partBytes, code }
      return { step: 'opened', isTrouble: code !== null, facts }
    }
    case 'UploadSealed': {
      const { seal, size, isAdopted, code } = event
      return { step: 'sealed', isTrouble: seal === null, facts: { seal, size, adopted: isAdopted, code } }
    }
  }
}

const isoTime = (ms: number): string => new Date(ms).toISOString()

function stepOf({ topic, partition, position, event }: PlacedEvent, subject: Subject): HistoryStep {
  const chunk = 'chunk' in event ? event.chunk : null
  return { at: isoTime(event.at), chunk, topic, partition, position, writer: event.writer, ...tell(event, subject) }
}

/** All steps of one generation: its listing, its upload, its chunks one after the other. */
export function stepsOf(generation: GenerationHistory): readonly HistoryStep[] {
  const { listing, place } = generation
  const { page, position, partition, index, item } = listing
  const subject = { item: item.item, generation: generation.generation }
  const listed: HistoryStep = {
    at: isoTime(page.at),
    step: 'listed',
    chunk: null,
    topic: 'listings',
    partition,
    position,
    writer: page.writer,
    isTrouble: place.form === 'page' && place.outcome !== 'skipped',
    facts: {
      pass: page.pass,
      page: page.page,
      kind: page.kind,
      entry: index,
      outcome: place.outcome,
      code: place.code,
    },
  }
  const ofUpload = generation.uploadEvents.map((event) => stepOf(event, subject))
  const ofChunks = generation.chunkEvents.map((event) => stepOf(event, subject))
  const order = new Map(generation.chunks.map(({ chunk }, n) => [chunk, n]))
  const sorted = ofChunks
    .map((step, n) => ({ step, n, chunk: order.get(step.chunk ?? '') ?? 0 }))
    .sort((a, b) => a.chunk - b.chunk || a.n - b.n)
    .map(({ step }) => step)
  const opened = ofUpload.filter(({ step }) => step === 'opened')
  const sealed = ofUpload.filter(({ step }) => step === 'sealed')
  return [listed, ...opened, ...sorted, ...sealed]
}
