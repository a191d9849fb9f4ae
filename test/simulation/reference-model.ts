// A second, small opinion of what the log says: who may speak, what became of each chunk, which items are verified. It
// shares no code with libs/domain and keeps whole events, where the fold keeps rows.
import { type EventOf, isEvent, type Topic, type WaybillEvent } from '#schemas/events'
import type { Extent, ListedItem, Proof, TransferredEntry } from '#schemas/records'

export interface ModelClaim {
  readonly claim: string
  readonly epoch: number
}

export interface ModelChunk {
  readonly planned: EventOf<'ChunkPlanned'>
  readonly partition: number
  status: 'planned' | 'leased' | 'transferred' | 'failed'
  attempt: number
  epoch: number
  counted: number
  transferred: { readonly entries: readonly TransferredEntry[]; readonly tick: number } | null
  proof: { readonly proof: Proof; readonly isFailed: boolean } | null
}

export interface ModelItem {
  readonly item: string
  generation: number
  listed: ListedItem
}

export type ModelOutcome = 'verified' | 'already_there' | 'other'

const failuresMax = 5
const generationKey = (item: string, generation: number): string => `${item}/${generation}`

export class ReferenceModel {
  readonly claims = new Map<string, ModelClaim>()
  readonly oldClaims = new Map<string, ModelClaim[]>()
  readonly items = new Map<string, ModelItem>()
  readonly chunks = new Map<string, ModelChunk>()
  readonly seals = new Map<string, { readonly event: EventOf<'UploadSealed'>; readonly tick: number }>()
  readonly opened = new Map<string, EventOf<'UploadOpened'>>()
  readonly pages = new Map<number, number>()
  readonly #chunksOf = new Map<string, { readonly chunk: ModelChunk; readonly index: number }[]>()
  readonly #itemOfName = new Map<string, string>()
  pass = 0
  isPaused = false
  readonly #commands = new Map<string, number>()

  /** True when the event counts: its claim stands, and it says something that is due. */
  observe(event: WaybillEvent, topic: Topic, partition: number, tick: number): boolean {
    const id = `${topic}/${partition}`
    if (isEvent(event, 'PartitionClaimed')) return this.#claim(event, id)
    if (!this.mayCount(event, topic, partition)) return false
    switch (event.type) {
      case 'PassOpened':
        if (event.pass !== this.pass + 1) return false
        this.pass = event.pass
        this.isPaused = false
        return true
      case 'JobPaused':
      case 'JobResumed':
      case 'JobCancelled':
        return this.#command(event)
      case 'ItemsListed':
        return this.#list(event)
      case 'UploadOpened': {
        const key = generationKey(event.item, event.generation)
        if (this.opened.has(key)) return false
        this.opened.set(key, event)
        return true
      }
      case 'UploadSealed': {
        const key = generationKey(event.item, event.generation)
        if (this.seals.has(key)) return false
        this.seals.set(key, { event, tick })
        return true
      }
      case 'ChunkPlanned':
        return this.#plan(event, partition)
      case 'ChunkLeased':
      case 'ChunkTransferred':
      case 'ChunkFailed':
      case 'ChunkVerified':
        return this.#moveChunk(event, tick)
      default:
        return true
    }
  }

  /** False for what was said under a claim that does not stand. */
  mayCount(event: WaybillEvent, topic: Topic, partition: number): boolean {
    const isUnclaimed = !('claim' in event) || (isEvent(event, 'ChunkFailed') && event.by !== 'worker')
    if (isUnclaimed || isEvent(event, 'PartitionClaimed')) return true
    const standing = this.claims.get(`${topic}/${partition}`)
    return standing !== undefined && standing.claim === event.claim && standing.epoch === event.epoch
  }

  #command(event: EventOf<'JobPaused' | 'JobResumed' | 'JobCancelled'>): boolean {
    if (event.sequence <= (this.#commands.get(event.writer) ?? -1)) return false
    this.#commands.set(event.writer, event.sequence)
    this.isPaused = event.type === 'JobPaused'
    return true
  }

  #claim(event: EventOf<'PartitionClaimed'>, id: string): boolean {
    const standing = this.claims.get(id)
    if (event.epoch !== (standing?.epoch ?? 0) + 1 || standing?.claim === event.claim) return false
    if (standing !== undefined) this.oldClaims.set(id, [...(this.oldClaims.get(id) ?? []), standing])
    this.claims.set(id, { claim: event.claim, epoch: event.epoch })
    for (const chunk of this.chunks.values()) {
      if (`chunks/${chunk.partition}` === id && chunk.status === 'leased') chunk.status = 'planned'
    }
    return true
  }

  #list(event: EventOf<'ItemsListed'>): boolean {
    const next = this.pages.get(event.pass) ?? 0
    if (event.page !== next) return false
    this.pages.set(event.pass, next + 1)
    for (const listed of event.items) {
      const known = this.items.get(listed.item)
      this.#itemOfName.set(listed.name.toString('latin1'), listed.item)
      if (known === undefined) this.items.set(listed.item, { item: listed.item, generation: listed.generation, listed })
      else if (listed.generation > known.generation) {
        known.generation = listed.generation
        known.listed = listed
      }
    }
    return true
  }

  #plan(event: EventOf<'ChunkPlanned'>, partition: number): boolean {
    if (this.chunks.has(event.chunk)) return false
    const chunk: ModelChunk = {
      planned: event,
      partition,
      status: 'planned',
      attempt: 0,
      epoch: 0,
      counted: 0,
      transferred: null,
      proof: null,
    }
    this.chunks.set(event.chunk, chunk)
    for (const [index, { item, generation }] of event.extents.entries()) {
      const key = generationKey(item, generation)
      this.#chunksOf.set(key, [...(this.#chunksOf.get(key) ?? []), { chunk, index }])
    }
    return true
  }

  #moveChunk(
    event: EventOf<'ChunkLeased'> | EventOf<'ChunkTransferred'> | EventOf<'ChunkFailed'> | EventOf<'ChunkVerified'>,
    tick: number,
  ): boolean {
    const chunk = this.chunks.get(event.chunk)
    if (chunk === undefined) return false
    switch (event.type) {
      case 'ChunkLeased':
        if (chunk.status !== 'planned' || event.attempt !== chunk.attempt + 1) return false
        chunk.status = 'leased'
        chunk.attempt = event.attempt
        chunk.epoch = event.epoch
        return true
      case 'ChunkTransferred':
        if (!isLease(chunk, event)) return false
        chunk.status = 'transferred'
        chunk.transferred = { entries: event.entries, tick }
        return true
      case 'ChunkVerified':
        return prove(chunk, event.proof, false)
      case 'ChunkFailed':
        return this.#failChunk(chunk, event)
    }
  }

  #failChunk(chunk: ModelChunk, event: EventOf<'ChunkFailed'>): boolean {
    switch (event.by) {
      case 'verifier':
        return event.proof !== null && prove(chunk, event.proof, event.proof.entries.some(isAccused))
      case 'worker':
        if (!isLease(chunk, event)) return false
        chunk.counted += event.isCounted ? 1 : 0
        chunk.status = event.isFinal || chunk.counted >= failuresMax ? 'failed' : 'planned'
        return true
      case 'coordinator':
        if (chunk.planned.part === null || chunk.status !== 'transferred' || event.attempt !== chunk.attempt)
          return false
        chunk.counted += 1
        chunk.status = chunk.counted >= failuresMax ? 'failed' : 'planned'
        return true
    }
  }

  chunksOf(item: string, generation: number): readonly { readonly chunk: ModelChunk; readonly index: number }[] {
    return this.#chunksOf.get(generationKey(item, generation)) ?? []
  }

  /** What the item counts as by the log so far. */
  outcomeOf({ item, generation, listed }: ModelItem): ModelOutcome {
    if (listed.carried === null && listed.outcome !== null) return 'other'
    const shares = this.chunksOf(item, generation)
    if (listed.chunks === 0) {
      const [share] = shares
      return share === undefined ? 'other' : packedOutcome(share.chunk, share.index)
    }
    const key = generationKey(item, generation)
    const seal = this.seals.get(key)?.event
    if (seal === undefined || seal.seal === null || shares.length < listed.chunks) return 'other'
    const isWhole = shares.every(({ chunk }) => chunk.proof?.proof.seal === seal.seal && isProven(chunk, 0))
    if (!isWhole) return 'other'
    return this.opened.get(key)?.givenSeal != null && !seal.isOurs ? 'already_there' : 'verified'
  }

  /** The verified chunk of the standing generation that holds this place of the file, if there is one. */
  verifiedAt(name: Buffer, offset: number): string | null {
    const id = this.#itemOfName.get(name.toString('latin1'))
    const item = id === undefined ? undefined : this.items.get(id)
    if (item === undefined || item.listed.outcome !== null) return null
    if (this.outcomeOf(item) === 'other') return null
    const share = this.chunksOf(item.item, item.generation).find(({ chunk, index }) => {
      const extent = chunk.planned.extents[index] as Extent
      return offset >= extent.offset && (offset < extent.offset + extent.length || extent.length === 0)
    })
    // A lease of an older generation may still be at work on the same bytes: that one reading was due.
    const isLeased = [...this.chunks.values()].some(({ status, planned }) => {
      return status === 'leased' && planned.extents.some((extent) => extent.item === item.item)
    })
    return share === undefined || isLeased
      ? null
      : `${share.chunk.planned.chunk} of item ${item.item}/${item.generation}`
  }
}

const isAccused = ({ outcome }: { outcome: string }): boolean => outcome !== 'verified' && outcome !== 'not_written'

function isLease(chunk: ModelChunk, event: { readonly attempt: number; readonly epoch: number }): boolean {
  return chunk.status === 'leased' && event.attempt === chunk.attempt && event.epoch === chunk.epoch
}

function prove(chunk: ModelChunk, proof: Proof, isFailed: boolean): boolean {
  const { planned } = chunk
  if (planned.part === null ? chunk.status !== 'transferred' : chunk.transferred === null) return false
  if (planned.part !== null && proof.generation !== planned.generation) return false
  const before = chunk.proof
  const isHigher =
    before === null ||
    proof.round > before.proof.round ||
    (proof.round === before.proof.round && isFailed && !before.isFailed)
  if (isHigher) chunk.proof = { proof, isFailed }
  return isHigher
}

/** The extent was moved and read back equal. */
function isProven(chunk: ModelChunk, index: number): boolean {
  const moved = chunk.transferred?.entries[index]
  const read = chunk.proof?.proof.entries[index]
  return (moved?.outcome === 'written' || moved?.outcome === 'given') && read?.outcome === 'verified'
}

function packedOutcome(chunk: ModelChunk, index: number): ModelOutcome {
  if (chunk.status !== 'transferred' || !isProven(chunk, index)) return 'other'
  const moved = chunk.transferred?.entries[index]
  return moved?.outcome === 'given' && !moved.isOurs ? 'already_there' : 'verified'
}
