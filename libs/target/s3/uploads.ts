// The coordinator's side: open, seal, abort and sweep multipart uploads. "Uploads, seal, crash points" of the architecture
// page, to the letter.
//
// Stores differ in listing uploads: MinIO lists them for an exact key or for the whole bucket, never for a prefix.
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
} from '@aws-sdk/client-s3'
import { codeOf, WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { Bytes } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import { isSameMark } from '../mark.ts'
import type { MayAbort, ObjectState, OpenUploadRequest, SealPart, SealRequest, TargetUploads } from '../target.ts'
import { fullKey } from './address.ts'
import { contentType, metadataOf } from './dress.ts'
import { findObject } from './lookup.ts'
import { uploadMembers } from './object-headers.ts'
import { parseUpload, uploadText, uploadTexts } from './upload-name.ts'
import { conditionHeaders, type RoleContext } from './writer.ts'

/** Parts may arrive while an upload is aborted, so the store is asked until it says that there is none. */
const abortsMax = 6
const abortPauseMs = 200
/** Pages of a whole bucket that a sweep looks through where the prefix shows nothing. */
const bucketPagesMax = 20
const partsPerPage = 1000
const pagesMax = 10_000

/** An unfinished upload, by whole key and the store's own id. */
export interface OpenUpload {
  readonly key: string
  readonly id: string
}

class S3Uploads implements TargetUploads {
  readonly #context: RoleContext
  readonly #abilities: TargetAbilities
  readonly #clock: Clock

  constructor(context: RoleContext, abilities: TargetAbilities, clock: Clock) {
    this.#context = context
    this.#abilities = abilities
    this.#clock = clock
  }

  find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
    return findObject(this.#context.client, key, signal)
  }

  async open(request: OpenUploadRequest, signal: AbortSignal): Promise<string> {
    const { control, objectOptions } = this.#context
    const isChecked = this.#abilities.checksUploads && !request.copiesParts
    const command = new CreateMultipartUploadCommand({
      ...this.#place(request.key),
      ContentType: contentType(request.key, 'file'),
      ...uploadMembers(objectOptions),
      Metadata: { ...Object.fromEntries(objectOptions.metadata), ...metadataOf(request.dress, 'file') },
      ...(isChecked ? { ChecksumAlgorithm: 'SHA256' } : {}),
    })
    const answer = await control.call((sdk, options) => sdk.send(command, options), signal)
    if (answer.UploadId === undefined)
      throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'answer without UploadId' })
    return uploadText({ id: answer.UploadId, isChecked })
  }

  async seal(request: SealRequest, signal: AbortSignal): Promise<{ seal: string; isAdopted: boolean }> {
    try {
      return { seal: await this.#completeAndLook(request, request.parts, signal), isAdopted: false }
    } catch (error) {
      if (codeOf(error) === 'ABORTED') throw error
      const adopted = await this.#adoptable(request, signal)
      if (adopted !== null) return { seal: adopted, isAdopted: true }
      if (codeOf(error) === 'PART_REFUSED') return this.#sealListed(request, signal)
      throw sealError(error)
    }
  }

  async abort(key: Bytes, upload: string, signal: AbortSignal): Promise<void> {
    await this.#abort({ key: fullKey(this.#context.address, key), id: parseUpload(upload).id }, signal)
  }

  async sweep(mayAbort: MayAbort, signal: AbortSignal): Promise<number> {
    const { prefix } = this.#context.address
    let count = 0
    for await (const { key, id } of listUploads(this.#context, prefix, signal)) {
      if (!(await mayAbortAll(mayAbort, Buffer.from(key.slice(prefix.length), 'utf8'), uploadTexts(id)))) continue
      await this.#abort({ key, id }, signal)
      count += 1
    }
    return count
  }

  async finishDirectories(): Promise<readonly { readonly key: Bytes; readonly code: string }[]> {
    // Directories have no state of their own here: what is kept of them was written with their object.
    return []
  }

  close(): Promise<void> {
    return this.#context.close()
  }

  #place(key: Bytes): { Bucket: string; Key: string } {
    return { Bucket: this.#context.address.bucket, Key: fullKey(this.#context.address, key) }
  }

  async #complete(request: SealRequest, parts: readonly SealPart[], signal: AbortSignal): Promise<string> {
    const { client, control, deadlines } = this.#context
    const { id, isChecked } = parseUpload(request.upload)
    const [name, value] = await conditionHeaders(client, request, this.#abilities, signal)
    const condition = name === undefined ? {} : name === 'if-match' ? { IfMatch: value } : { IfNoneMatch: value }
    const command = new CompleteMultipartUploadCommand({
      ...this.#place(request.key),
      UploadId: id,
      MultipartUpload: { Parts: parts.map((part) => completedPart(part, isChecked)) },
      ...condition,
    })
    const send = control.call((sdk, options) => sdk.send(command, options), signal, deadlines.longAnswerMs)
    const { ETag: tag } = await send
    if (tag === undefined) throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'answer without ETag' })
    return tag
  }

  /**
   * A store's yes is looked at before it is written down: versitygw 1.7 says yes to the completion of an upload that is
   * gone whenever the key is taken, and names an ETag that no object has.
   */
  async #completeAndLook(request: SealRequest, parts: readonly SealPart[], signal: AbortSignal): Promise<string> {
    const tag = await this.#complete(request, parts, signal)
    const found = await this.find(request.key, signal)
    const isOurs = this.#abilities.keepsMarks
      ? isSameMark(found?.mark ?? null, request.dress.mark)
      : found?.seal === tag
    if (found === null || found.size !== request.size || !isOurs)
      throw new WaybillError('UPLOAD_LOST', { reason: 'confirmed and not there' })
    return found.seal
  }

  /** The seal of what is there when it is this very item: the answer was lost, or another process was faster. */
  async #adoptable(request: SealRequest, signal: AbortSignal): Promise<string | null> {
    const found = await this.find(request.key, signal)
    return found !== null && found.size === request.size && isSameMark(found.mark, request.dress.mark)
      ? found.seal
      : null
  }

  /** The store refused a part: parts it stores with our digest are taken with its own tag, the others are told. */
  async #sealListed(request: SealRequest, signal: AbortSignal): Promise<{ seal: string; isAdopted: boolean }> {
    const stored = await this.#storedParts(request, signal)
    const parts: SealPart[] = []
    const refused: number[] = []
    for (const part of request.parts) {
      const found = stored.get(part.part)
      const isOurs =
        found !== undefined && found.size === part.length && found.checksum === part.digest.toString('base64')
      if (isOurs) parts.push({ ...part, tag: found.tag })
      else refused.push(part.part)
    }
    if (refused.length > 0) throw new WaybillError('PART_REFUSED', { parts: refused })
    try {
      return { seal: await this.#completeAndLook(request, parts, signal), isAdopted: false }
    } catch (error) {
      // The store has what we sent and refuses it all the same: which part it means is not known, so all are sent again.
      if (codeOf(error) !== 'PART_REFUSED') throw sealError(error)
      throw new WaybillError('PART_REFUSED', { parts: request.parts.map(({ part }) => part) }, { cause: error })
    }
  }

  async #storedParts(
    request: SealRequest,
    signal: AbortSignal,
  ): Promise<Map<number, { tag: string; size: number; checksum: string }>> {
    const { control } = this.#context
    const stored = new Map<number, { tag: string; size: number; checksum: string }>()
    let marker: string | undefined
    for (let page = 0; page < pagesMax; page += 1) {
      const command = new ListPartsCommand({
        ...this.#place(request.key),
        UploadId: parseUpload(request.upload).id,
        MaxParts: partsPerPage,
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      })
      const answer = await control.call((sdk, options) => sdk.send(command, options), signal)
      for (const { PartNumber, ETag = '', Size = -1, ChecksumSHA256 = '' } of answer.Parts ?? []) {
        if (PartNumber !== undefined) stored.set(PartNumber, { tag: ETag, size: Size, checksum: ChecksumSHA256 })
      }
      const next = answer.IsTruncated === true ? answer.NextPartNumberMarker : undefined
      // A store that gives the same marker again would be asked for ever.
      if (next === undefined || next === marker) break
      marker = next
    }
    return stored
  }

  async #abort({ key, id }: OpenUpload, signal: AbortSignal): Promise<void> {
    const { address, control } = this.#context
    const place = { Bucket: address.bucket, Key: key, UploadId: id }
    for (let attempt = 1; attempt <= abortsMax; attempt += 1) {
      try {
        await control.call((sdk, options) => sdk.send(new AbortMultipartUploadCommand(place), options), signal)
        const list = new ListPartsCommand({ ...place, MaxParts: 1 })
        await control.call((sdk, options) => sdk.send(list, options), signal)
      } catch (error) {
        if (['UPLOAD_LOST', 'TARGET_MISSING'].includes(codeOf(error))) return
        throw error
      }
      await this.#clock.sleep(abortPauseMs * attempt, signal)
    }
    throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'the upload does not go away' })
  }
}

/** True when each name that our events may have for the upload may be aborted. */
async function mayAbortAll(mayAbort: MayAbort, key: Bytes, names: readonly string[]): Promise<boolean> {
  for (const name of names) if (!(await mayAbort(key, name))) return false
  return true
}

async function* uploadPages(
  { address, control }: RoleContext,
  place: { readonly prefix: string; readonly pagesMax: number },
  signal: AbortSignal,
): AsyncGenerator<OpenUpload> {
  let markers: { KeyMarker?: string; UploadIdMarker?: string } = {}
  for (let page = 0; page < place.pagesMax; page += 1) {
    const command = new ListMultipartUploadsCommand({ Bucket: address.bucket, Prefix: place.prefix, ...markers })
    const answer = await control.call((sdk, options) => sdk.send(command, options), signal)
    for (const { Key, UploadId } of answer.Uploads ?? []) {
      if (Key !== undefined && UploadId !== undefined) yield { key: Key, id: UploadId }
    }
    const { NextKeyMarker: key, NextUploadIdMarker: id } = answer
    const isStuck = key === markers.KeyMarker && id === markers.UploadIdMarker
    if (answer.IsTruncated !== true || key === undefined || isStuck) return
    markers = { KeyMarker: key, ...(id === undefined ? {} : { UploadIdMarker: id }) }
  }
}

/** Unfinished uploads on keys below the prefix; where the store shows none there, the whole bucket is looked through. */
export async function* listUploads(
  context: RoleContext,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<OpenUpload> {
  let isEmpty = true
  for await (const upload of uploadPages(context, { prefix, pagesMax }, signal)) {
    isEmpty = false
    yield upload
  }
  if (!isEmpty || prefix === '') return
  for await (const upload of uploadPages(context, { prefix: '', pagesMax: bucketPagesMax }, signal)) {
    if (upload.key.startsWith(prefix)) yield upload
  }
}

function completedPart(part: SealPart, isChecked: boolean): CompletedPart {
  const checksum = isChecked ? { ChecksumSHA256: part.digest.toString('base64') } : {}
  return { PartNumber: part.part, ETag: part.tag, ...checksum }
}

/**
 * 409 on a completion: the upload cannot be used any more (S3's own words), a new one is needed. 404 likewise, also where
 * the store does not say what it misses.
 */
function sealError(error: unknown): unknown {
  if (!(error instanceof WaybillError)) return error
  const isConflict = error.facts['reason'] === 'ConditionalRequestConflict'
  const isLost = isConflict || error.code === 'TARGET_MISSING'
  return isLost ? new WaybillError('UPLOAD_LOST', error.facts, { cause: error }) : error
}

export function openUploads(context: RoleContext, abilities: TargetAbilities, clock: Clock): TargetUploads {
  return new S3Uploads(context, abilities, clock)
}
