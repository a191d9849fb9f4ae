// Events as a process would append them that does not know that it lost its claim: well formed, due by their numbers,
// under a claim that stood once (rule 1). All of them must change nothing.
import type { NewRecord } from '#libs/log/event-log'
import type { Topic, WaybillEvent } from '#schemas/events'
import type { ListedItem, TransferredEntry } from '#schemas/records'
import { encodeEvent } from '#schemas/wire'
import type { Chance } from './chance.ts'
import type { ModelChunk, ModelClaim, ReferenceModel } from './reference-model.ts'
import { job } from './scenario.ts'

interface Forged {
  readonly topic: Topic
  readonly partition: number
  readonly event: WaybillEvent
}

const envelope = { job, at: 0, writer: 'zombie', sequence: 0, software: 'test' }

function entriesOf(chunk: ModelChunk): TransferredEntry[] {
  return chunk.planned.extents.map(({ item, generation, length }) => ({
    item,
    generation,
    outcome: 'written',
    code: null,
    digest: Buffer.alloc(32, 7),
    bytes: length,
    tag: '"zombie"',
    seal: '"zombie"',
    isOurs: true,
  }))
}

function forgeOfChunk(chance: Chance, chunk: ModelChunk, fence: ModelClaim): WaybillEvent {
  const { chunk: id } = chunk.planned
  const counts = { sourceBytesRead: 1, targetBytesWritten: 1, notes: [] }
  switch (chunk.status) {
    case 'planned':
    case 'failed':
      return { type: 'ChunkLeased', ...envelope, ...fence, chunk: id, attempt: chunk.attempt + 1 }
    case 'leased':
    case 'transferred':
      return chance.happens(0.5)
        ? {
            type: 'ChunkTransferred',
            ...envelope,
            ...fence,
            chunk: id,
            attempt: chunk.attempt,
            ...counts,
            entries: entriesOf(chunk),
          }
        : {
            type: 'ChunkFailed',
            ...envelope,
            ...fence,
            chunk: id,
            by: 'worker',
            attempt: chunk.attempt,
            code: 'SOURCE_READ_ERROR',
            detail: '',
            isCounted: true,
            isFinal: chance.happens(0.5),
            ...counts,
            proof: null,
          }
  }
}

function lateRefusal(chunk: ModelChunk): WaybillEvent {
  const none = { sourceBytesRead: 0, targetBytesWritten: 0, proof: null }
  const why = { by: 'coordinator', code: 'PART_REFUSED', detail: '', isCounted: true, isFinal: false } as const
  const { attempt } = chunk
  return {
    type: 'ChunkFailed',
    ...envelope,
    claim: 'zombie',
    epoch: 1,
    chunk: chunk.planned.chunk,
    attempt,
    ...why,
    ...none,
  }
}

/** Another verifier read the chunk in the same round, before it decayed: failed wins over verified (rule 4). */
function forgeProof(chance: Chance, model: ReferenceModel): Forged | null {
  const failed = [...model.chunks.values()].filter(({ proof }) => proof?.isFailed === true)
  if (failed.length === 0) return null
  const { planned, partition, proof } = chance.pick(failed)
  if (proof === null) return null
  const entries = proof.proof.entries.map((entry) => {
    return entry.outcome === 'not_written'
      ? entry
      : ({ ...entry, digest: entry.expected, outcome: 'verified', code: null } as const)
  })
  const event = {
    type: 'ChunkVerified',
    ...envelope,
    chunk: planned.chunk,
    proof: { ...proof.proof, entries },
  } as const
  return { topic: 'chunks', partition, event }
}

function forgeOnChunks(chance: Chance, model: ReferenceModel): Forged | null {
  const chunks = [...model.chunks.values()]
  if (chunks.length === 0) return null
  const chunk = chance.pick(chunks)
  const { partition } = chunk
  const old = model.oldClaims.get(`chunks/${partition}`) ?? []
  const standing = model.claims.get(`chunks/${partition}`)
  if (old.length === 0 || standing === undefined) return null
  // A refusal names the attempt and no claim of its own partition: after the seal it must change nothing either (rule 4).
  const isSealed = chunk.planned.extents.some(
    ({ item, generation }) => model.seals.get(`${item}/${generation}`)?.event.seal != null,
  )
  if (chunk.status === 'transferred' && chunk.planned.part !== null && isSealed && chance.happens(0.5)) {
    return { topic: 'chunks', partition, event: lateRefusal(chunk) }
  }
  // Sometimes the old name under the new number: the epoch alone is no fence.
  const before = chance.pick(old)
  const fence = chance.happens(0.3) ? { claim: before.claim, epoch: standing.epoch } : before
  return { topic: 'chunks', partition, event: forgeOfChunk(chance, chunk, fence) }
}

function forgedItem(model: ReferenceModel, page: number): ListedItem {
  const [known] = model.items.values()
  const item = `${model.pass}.${page}.0`
  const base = known?.listed
  return {
    item,
    generation: 1,
    name: Buffer.from('forged'),
    kind: 'file',
    identity: base?.identity ?? { size: 1, mtimeNs: '1', ctimeNs: '1', inode: '0:0' },
    attributes: { mode: 0, uid: 0, gid: 0 },
    link: null,
    replaces: null,
    previous: null,
    carried: null,
    bad: null,
    outcome: 'failed',
    code: 'SOURCE_UNREADABLE',
    chunks: 0,
  }
}

function forgeOnListings(chance: Chance, model: ReferenceModel): Forged | null {
  const old = model.oldClaims.get('listings/0') ?? []
  if (old.length === 0 || model.pass === 0) return null
  const fence = chance.pick(old)
  const at = { topic: 'listings', partition: 0 } as const
  const { pass } = model
  const page = model.pages.get(pass) ?? 0
  const large = [...model.items.values()].filter(({ listed }) => listed.chunks > 0)
  const kind = large.length === 0 ? 'page' : chance.weighted({ page: 1, sealed: 1, opened: 1, planned: 1, placed: 1 })
  switch (kind) {
    case 'page': {
      const item = forgedItem(model, page)
      const counts = { items: 1, bytes: item.identity.size, chunks: 0, uploads: 0 }
      const walk = { cursor: null, round: 1, packBytes: 4096 }
      return {
        ...at,
        event: {
          type: 'ItemsListed',
          ...envelope,
          ...fence,
          pass,
          page,
          kind: 'listing',
          ...walk,
          counts,
          items: [item],
        },
      }
    }
    case 'planned':
      return {
        ...at,
        event: { type: 'PagePlanned', ...envelope, ...fence, pass, page: chance.between(0, page), chunks: 1 },
      }
    case 'placed': {
      const placements = [{ partition: 0, count: 1_000 }]
      return {
        ...at,
        event: { type: 'PacksPlaced', ...envelope, ...fence, pass, page: chance.between(0, page), placements },
      }
    }
    case 'sealed': {
      const { item, generation } = chance.pick(large)
      const fact = { seal: '"zombie"', size: 1, isAdopted: false, isOurs: true, code: null }
      return { ...at, event: { type: 'UploadSealed', ...envelope, ...fence, item, generation, ...fact } }
    }
    case 'opened': {
      const { item, generation, listed } = chance.pick(large)
      const fact = { upload: 'zombie', givenSeal: null, isOurs: true, replaces: null, partBytes: 4096, code: null }
      const placements = [{ partition: 0, count: listed.chunks }]
      return {
        ...at,
        event: {
          type: 'UploadOpened',
          ...envelope,
          ...fence,
          item,
          generation,
          pass,
          page,
          key: listed.name,
          ...fact,
          placements,
        },
      }
    }
  }
}

function forgeOnJobs(chance: Chance, model: ReferenceModel): Forged | null {
  const old = model.oldClaims.get('jobs/0') ?? []
  const { pass } = model
  if (old.length === 0 || pass === 0) return null
  const fence = chance.pick(old)
  const at = { topic: 'jobs', partition: 0 } as const
  switch (chance.weighted({ completed: 1, opened: 1, ended: 1, round: 1 })) {
    case 'completed':
      return {
        ...at,
        event: { type: 'PassCompleted', ...envelope, ...fence, pass, positions: [], isCancelled: false, codes: [] },
      }
    case 'opened':
      return {
        ...at,
        event: {
          type: 'PassOpened',
          ...envelope,
          ...fence,
          pass: pass + 1,
          actor: 'zombie',
          reason: '',
          sourceRoot: 'zombie',
          readView: '',
        },
      }
    case 'ended':
      return {
        ...at,
        event: { type: 'ListingEnded', ...envelope, ...fence, pass, lastPage: 0, vanished: 0, findings: [] },
      }
    case 'round':
      return {
        ...at,
        event: { type: 'RoundOpened', ...envelope, ...fence, round: 2, cause: 'verify', mayRepair: false },
      }
  }
}

/** A claim that comes too late: its epoch is not the next one. */
function forgeClaim(chance: Chance, model: ReferenceModel, serial: number): Forged | null {
  const claims = [...model.claims]
  if (claims.length === 0) return null
  const [id, { epoch }] = chance.pick(claims)
  const [topic, partition] = id.split('/') as [Topic, string]
  const late = Math.max(0, epoch - chance.between(0, 1))
  const event = {
    type: 'PartitionClaimed',
    ...envelope,
    job: '',
    claim: `zombie.${serial}`,
    epoch: late,
    cause: 'takeover',
  } as const
  return { topic, partition: Number(partition), event }
}

/** A stale event, or null when nothing of that kind can be forged now. `serial` makes it unique. */
export function forgeStale(chance: Chance, model: ReferenceModel, serial: number): NewRecord | null {
  const kinds = {
    proof: forgeProof,
    chunks: forgeOnChunks,
    listings: forgeOnListings,
    jobs: forgeOnJobs,
    claim: forgeClaim,
  }
  const forge = kinds[chance.weighted({ proof: 3, chunks: 5, listings: 3, jobs: 1, claim: 1 })]
  const forged = forge(chance, model, serial)
  if (forged === null) return null
  const { topic, partition, event } = forged
  const key = Buffer.from(`${event.type}/zombie/${serial}`)
  return { topic, partition, key, value: encodeEvent({ ...event, sequence: serial }) }
}
