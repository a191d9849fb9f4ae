// The worker's side: whole objects by PUT, parts of uploads, parts copied inside the store. The payload hash that signs
// the request is the digest taken when the bytes were read; where the probe found that the store checks it, the same
// digest is also its checksum, so a body changed on its way is refused.
//
// Stores differ: an If-Match on a key that is gone succeeds or is answered 404; nobody's object is replaced either way,
// so the second is asked again as a creation. Some refuse a request before they have read its body and close the
// connection at once: the refusal is lost in the reset, so a question without a body is asked after it.
import { CopyObjectCommand, ListPartsCommand, UploadPartCopyCommand } from '@aws-sdk/client-s3'
import { codeOf, errorCatalogue, WaybillError } from '#libs/domain/errors'
import type { ObjectOptions } from '#libs/domain/object-options'
import type { Bytes } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import type {
  CopyPartRequest,
  ObjectState,
  PartRequest,
  PutCondition,
  PutRequest,
  PutResult,
  TargetWriter,
} from '../target.ts'
import { type Address, encodedKey, encodedValue, fullKey } from './address.ts'
import type { Answer, Connection } from './connection.ts'
import type { Control } from './control.ts'
import { contentType, metadataHeaders, metadataOf } from './dress.ts'
import { recoded } from './faults.ts'
import { headerText, type LeanClient } from './lean.ts'
import { findObject } from './lookup.ts'
import { objectHeaders, uploadMembers } from './object-headers.ts'
import type { S3Deadlines } from './settings.ts'
import type { Headers } from './sign.ts'
import { parseUpload } from './upload-name.ts'

export interface RoleContext {
  readonly address: Address
  readonly control: Control
  readonly client: LeanClient
  readonly deadlines: S3Deadlines
  readonly connection: Connection
  /** Set on every object that is written. */
  readonly objectOptions: ObjectOptions
  close(): Promise<void>
}

/** The tag of a write. A store that names none cannot be conditioned later: better to fail now. */
function tagOf(answer: Answer): string {
  const tag = headerText(answer, 'etag')
  if (tag === null) throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'answer without ETag' })
  return tag
}

/**
 * Headers of the condition. Where the store cannot condition, looks first: between the look and the write others may
 * come, which the probe's finding says. @throws WaybillError TARGET_EXISTS
 */
export async function conditionHeaders(
  client: LeanClient,
  request: { readonly key: Bytes; readonly condition: PutCondition },
  abilities: TargetAbilities,
  signal: AbortSignal,
): Promise<Headers> {
  const { key, condition } = request
  const header = conditionHeader(condition, abilities)
  if (header !== null) return header
  const found = await findObject(client, key, signal)
  if (found !== null && (condition.kind === 'absent' || condition.seal !== found.seal)) {
    throw new WaybillError('TARGET_EXISTS', { isLookedAt: true })
  }
  return []
}

/** All that a new object carries beside its bytes. */
export function dressHeaders({ key, kind, dress }: Pick<PutRequest, 'key' | 'kind' | 'dress'>): string[] {
  const headers = metadataHeaders(dress, kind)
  headers.push('content-type', contentType(key, kind))
  return headers
}

/** What to throw. Where the connection broke, `ask` may find out why, by throwing; else it is the break. */
async function explained(error: unknown, ask: () => Promise<void>): Promise<unknown> {
  if (codeOf(error) !== 'TARGET_UNREACHABLE') return error
  try {
    await ask()
  } catch (reason) {
    if (codeOf(reason) !== 'TARGET_UNREACHABLE') return reason
  }
  return error
}

/** null where the store cannot condition. */
function conditionHeader(condition: PutCondition, abilities: TargetAbilities): Headers | null {
  if (condition.kind === 'absent') return abilities.createsOnlyIfAbsent ? ['if-none-match', '*'] : null
  return abilities.replacesOnlyIfMatch ? ['if-match', condition.seal] : null
}

class S3Writer implements TargetWriter {
  readonly #context: RoleContext
  readonly #abilities: TargetAbilities
  readonly #optionHeaders: Headers

  constructor(context: RoleContext, abilities: TargetAbilities) {
    this.#context = context
    this.#abilities = abilities
    this.#optionHeaders = objectHeaders(context.objectOptions)
  }

  async takeOver(): Promise<void> {
    // No temporary files: an object is there whole or not at all.
  }

  find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
    return findObject(this.#context.client, key, signal)
  }

  async put(request: PutRequest, signal: AbortSignal): Promise<PutResult> {
    const notes = this.#abilities.keepsMarks ? [] : ['MARK_NOT_KEPT']
    const { condition } = request
    const renewed = condition.kind === 'same' ? await this.#renew(request, condition.seal, signal) : null
    if (renewed !== null) return { seal: renewed, notes, isSent: false }
    try {
      return { seal: await this.#put(request, signal), notes, isSent: true }
    } catch (error) {
      if (condition.kind === 'absent' || codeOf(error) !== 'TARGET_MISSING') throw error
      return { seal: await this.#put({ ...request, condition: { kind: 'absent' } }, signal), notes, isSent: true }
    }
  }

  /**
   * Metadata of an object cannot be changed: it is copied onto itself, inside the store, under new ones.
   * @returns the new version's seal; null where the store refuses that (no right to read, archived, not built in): then the
   * bytes are sent. @throws WaybillError TARGET_EXISTS when another version is there.
   */
  async #renew(request: PutRequest, seal: string, signal: AbortSignal): Promise<string | null> {
    const { address, control, deadlines, objectOptions } = this.#context
    const key = fullKey(address, request.key)
    const command = new CopyObjectCommand({
      Bucket: address.bucket,
      Key: key,
      CopySource: encodedKey(Buffer.from(`${address.bucket}/${key}`, 'utf8')),
      CopySourceIfMatch: seal,
      MetadataDirective: 'REPLACE',
      ContentType: contentType(request.key, request.kind),
      ...uploadMembers(objectOptions),
      ...(objectOptions.tags.length === 0 ? {} : { TaggingDirective: 'REPLACE' }),
      Metadata: { ...Object.fromEntries(objectOptions.metadata), ...metadataOf(request.dress, request.kind) },
    })
    try {
      const copy = control.call((sdk, options) => sdk.send(command, options), signal, deadlines.longAnswerMs)
      return (await copy).CopyObjectResult?.ETag ?? null
    } catch (error) {
      const code = codeOf(error)
      if (code === 'INTERNAL' || code === 'TARGET_EXISTS' || errorCatalogue[code].retry === 'again') throw error
      return null
    }
  }

  async #put(request: PutRequest, signal: AbortSignal): Promise<string> {
    const { client } = this.#context
    const { key, body, digest, condition } = request
    const known = conditionHeader(condition, this.#abilities)
    const headers = dressHeaders(request)
    headers.push(...(known ?? (await conditionHeaders(client, request, this.#abilities, signal))))
    headers.push(...this.#optionHeaders, ...this.#checksum(digest))
    try {
      return tagOf(
        await client.send({ method: 'PUT', key, headers, body, payloadHash: digest.toString('hex') }, signal),
      )
    } catch (error) {
      throw await explained(error, () => this.#lookAgain(request, signal))
    }
  }

  /** @throws WaybillError TARGET_EXISTS when the condition of a put does not hold (any more). */
  async #lookAgain({ key, condition }: PutRequest, signal: AbortSignal): Promise<void> {
    const found = await this.find(key, signal)
    if (found !== null && (condition.kind === 'absent' || condition.seal !== found.seal)) {
      throw new WaybillError('TARGET_EXISTS', { isLookedAt: true })
    }
  }

  /** @throws WaybillError UPLOAD_LOST when there is no such upload. */
  async #lookForUpload(request: PartRequest, signal: AbortSignal): Promise<void> {
    const { address, control } = this.#context
    const place = { Bucket: address.bucket, Key: fullKey(address, request.key) }
    const command = new ListPartsCommand({ ...place, UploadId: parseUpload(request.upload).id, MaxParts: 1 })
    await control.call((sdk, options) => sdk.send(command, options), signal)
  }

  async settle(): Promise<void> {
    // S3 answers a write once it is durable.
  }

  async writePart(request: PartRequest, signal: AbortSignal): Promise<{ tag: string }> {
    const { id, isChecked } = parseUpload(request.upload)
    const { key, part, body, digest } = request
    const query = `partNumber=${part}&uploadId=${encodedValue(id)}`
    const headers = isChecked ? this.#checksum(digest) : []
    const put = { method: 'PUT', key, query, headers, body, payloadHash: digest.toString('hex') } as const
    try {
      return { tag: tagOf(await this.#context.client.send(put, signal)) }
    } catch (error) {
      throw await explained(error, () => this.#lookForUpload(request, signal))
    }
  }

  async copyPart(request: CopyPartRequest, signal: AbortSignal): Promise<{ tag: string }> {
    const { address, control, deadlines } = this.#context
    const key = fullKey(address, request.key)
    const command = new UploadPartCopyCommand({
      Bucket: address.bucket,
      Key: key,
      UploadId: parseUpload(request.upload).id,
      PartNumber: request.part,
      CopySource: encodedKey(Buffer.from(`${address.bucket}/${key}`, 'utf8')),
      CopySourceIfMatch: request.seal,
      CopySourceRange: `bytes=${request.offset}-${request.offset + request.length - 1}`,
    })
    try {
      const send = control.call((sdk, options) => sdk.send(command, options), signal, deadlines.longAnswerMs)
      const tag = (await send).CopyPartResult?.ETag
      if (tag === undefined) throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'answer without ETag' })
      return { tag }
    } catch (error) {
      throw recoded(error, { TARGET_EXISTS: 'TARGET_REPLACED' })
    }
  }

  close(): Promise<void> {
    return this.#context.close()
  }

  #checksum(digest: Buffer): Headers {
    return this.#abilities.checksUploads ? ['x-amz-checksum-sha256', digest.toString('base64')] : []
  }
}

export function openWriter(context: RoleContext, abilities: TargetAbilities): TargetWriter {
  return new S3Writer(context, abilities)
}
