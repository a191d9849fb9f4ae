// One whole item: a small file, a link or a directory. Read once, put once; what is under its key already is looked at
// before anything of anybody is replaced (rule 8, I6).
import { codeOf, errorCatalogue, WaybillError } from '#libs/domain/errors'
import type { ObjectState, PutCondition } from '#libs/target/target'
import type { Extent, TransferredEntry } from '#schemas/records'
import type { Loan } from './byte-budget.ts'
import type { ChunkRun } from './chunk-run.ts'
import { type Decision, decideOnFound, isOwnPut, markOf, type Wanted } from './found-object.ts'
import { type Body, readExtent, sha256 } from './read-source.ts'
import { givenEntry, refusedEntry, writtenEntry } from './transferred-entry.ts'

/** How often others may come between our look and our put before the item is given up as a conflict. */
const looksMax = 3
const nothing = Buffer.alloc(0)

/** Throws WaybillError for what went wrong with the item, and the run's reason when it stops. */
export async function moveItem(run: ChunkRun, extent: Extent): Promise<TransferredEntry> {
  const decision = await decideFirst(run, extent)
  if (decision.kind === 'conflict') return refusedEntry(extent, 'conflict', 'TARGET_EXISTS')
  if (extent.kind !== 'file') return storeKept(run, extent, bodyOfEntry(extent), decision)
  const loan: Loan = await run.context.budget.acquire(extent.length, run.signal)
  try {
    const body = await readExtent(run, extent, loan.buffer)
    return await storeKept(run, extent, body, decision)
  } finally {
    loan.release()
  }
}

function wantedOf(run: ChunkRun, extent: Extent): Wanted {
  return { mark: markOf(run.lease.job, extent), overwrite: run.context.overwrite }
}

async function decideFirst(run: ChunkRun, extent: Extent): Promise<Decision> {
  if (extent.replaces !== null) return { kind: 'put', condition: { kind: 'match', seal: extent.replaces } }
  if (!run.context.looksFirst) return { kind: 'put', condition: { kind: 'absent' } }
  return decideOnFound(await findItem(run, extent), extent, wantedOf(run, extent))
}

function findItem(run: ChunkRun, extent: Extent): Promise<ObjectState | null> {
  return run.target(0, (signal) => run.context.writer.find(extent.key, signal))
}

/** Where the bytes read are those that the log says are stored, a later pass found a new time or mode and nothing else. */
async function storeKept(run: ChunkRun, extent: Extent, body: Body, decision: Decision): Promise<TransferredEntry> {
  const { replaces } = extent
  const logged = replaces === null ? null : ((await run.context.loggedDigest?.(extent)) ?? null)
  const isKept = replaces !== null && logged?.equals(body.digest) === true
  const kept: Decision = isKept ? { kind: 'put', condition: { kind: 'same', seal: replaces } } : decision
  return storeItem(run, extent, body, kept)
}

/** A link's text and a directory's nothing come from the listing; there is nothing to read. */
function bodyOfEntry(extent: Extent): Body {
  const bytes = extent.kind === 'symlink' ? (extent.link ?? nothing) : nothing
  return { bytes, digest: sha256(bytes) }
}

async function storeItem(run: ChunkRun, extent: Extent, body: Body, first: Decision): Promise<TransferredEntry> {
  const wanted = wantedOf(run, extent)
  const stored = { digest: body.digest, tag: null }
  let decision = first
  for (let looks = 0; looks <= looksMax; looks += 1) {
    if (decision.kind === 'conflict') break
    if (decision.kind === 'given') {
      return givenEntry(extent, { ...stored, seal: decision.seal, isOurs: decision.isOurs })
    }
    const put = await putItem(run, extent, body, decision.condition)
    if (put.kind === 'stored') {
      const entry = { ...stored, seal: put.seal, isOurs: true }
      return put.isSent ? writtenEntry(extent, entry) : givenEntry(extent, entry)
    }
    decision = decideOnFound(put.found, extent, wanted)
  }
  return refusedEntry(extent, 'conflict', 'TARGET_EXISTS')
}

type Stored =
  | { readonly kind: 'stored'; readonly seal: string; readonly isSent: boolean }
  /** Refused, since this is there and it is not what we just put. */
  | { readonly kind: 'refused'; readonly found: ObjectState | null }

/** An error of a put does not say that nothing was written: look, and adopt what this very generation left there. */
async function putItem(run: ChunkRun, extent: Extent, body: Body, condition: PutCondition): Promise<Stored> {
  const mark = markOf(run.lease.job, extent)
  const { key, kind, attributes, identity } = extent
  const dress = { mark, attributes, mtimeNs: identity.mtimeNs }
  const request = { key, kind, body: body.bytes, digest: body.digest, dress, condition, claim: run.lease.claim }
  try {
    const put = await run.target(body.bytes.length, (signal) => run.context.writer.put(request, signal))
    if (put.isSent) run.countWritten(body.bytes.length)
    run.note(put.notes)
    return { kind: 'stored', seal: put.seal, isSent: put.isSent }
  } catch (error) {
    if (run.stop !== null || !mayHaveActed(error)) throw error
    const found = await findAfter(run, extent, error)
    if (isOwnPut(found, extent, mark)) {
      const isSent = condition.kind !== 'same'
      if (isSent) run.countWritten(body.bytes.length)
      return { kind: 'stored', seal: found.seal, isSent }
    }
    if (codeOf(error) !== 'TARGET_EXISTS') throw error
    return { kind: 'refused', found }
  }
}

function mayHaveActed(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'TARGET_EXISTS' || errorCatalogue[code].retry === 'again'
}

/** When the look fails too, the item failed for the first reason. */
async function findAfter(run: ChunkRun, extent: Extent, error: unknown): Promise<ObjectState | null> {
  try {
    return await findItem(run, extent)
  } catch (lookError) {
    if (run.stop === null && lookError instanceof WaybillError && codeOf(error) !== 'TARGET_EXISTS') throw error
    throw lookError
  }
}
