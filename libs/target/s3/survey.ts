// The surveyor's side: the probe (probe.ts), and listings of what lies under the job's prefix.
import { AbortMultipartUploadCommand, DeleteObjectCommand } from '@aws-sdk/client-s3'
import { codeOf } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import type { TargetObject, TargetSurvey } from '../target.ts'
import { fullKey } from './address.ts'
import { probeFolder } from './keys.ts'
import { type ListedObject, listPage, pageKeysMax } from './listing.ts'
import { probeTarget } from './probe.ts'
import type { S3Settings } from './settings.ts'
import { listUploads, type OpenUpload } from './uploads.ts'
import type { RoleContext } from './writer.ts'

const leftoverPagesMax = 10

class S3Survey implements TargetSurvey {
  readonly #context: RoleContext
  readonly #settings: S3Settings

  constructor(context: RoleContext, settings: S3Settings) {
    this.#context = context
    this.#settings = settings
  }

  probe(signal: AbortSignal): Promise<{ abilities: TargetAbilities; findings: readonly string[] }> {
    return probeTarget(this.#context, this.#settings, signal)
  }

  async list(
    cursor: Bytes | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ objects: readonly TargetObject[]; cursor: Bytes | null }> {
    const { prefix } = this.#context.address
    const after = cursor === null ? null : fullKey(this.#context.address, cursor)
    const page = await listPage(this.#context, { prefix, after, limit }, signal)
    const objects = page.objects.flatMap((one) => this.#listed(one))
    const last = page.objects.at(-1)?.key
    if (!page.isTruncated || last === undefined) return { objects, cursor: null }
    return { objects, cursor: Buffer.from(last.slice(prefix.length), 'utf8') }
  }

  /** Removes what a probe that was killed left behind. */
  async clear(signal: AbortSignal): Promise<void> {
    const { address, control } = this.#context
    const prefix = address.prefix + probeFolder
    for await (const upload of listUploads(this.#context, prefix, signal)) await this.#abort(upload, signal)
    for (let page = 0; page < leftoverPagesMax; page += 1) {
      const { objects } = await listPage(this.#context, { prefix, after: null, limit: pageKeysMax }, signal)
      if (objects.length === 0) return
      for (const { key } of objects) {
        const command = new DeleteObjectCommand({ Bucket: address.bucket, Key: key })
        await control.call((sdk, options) => sdk.send(command, options), signal)
      }
    }
  }

  close(): Promise<void> {
    return this.#context.close()
  }

  async #abort({ key, id }: OpenUpload, signal: AbortSignal): Promise<void> {
    const { address, control } = this.#context
    const command = new AbortMultipartUploadCommand({ Bucket: address.bucket, Key: key, UploadId: id })
    try {
      await control.call((sdk, options) => sdk.send(command, options), signal)
    } catch (error) {
      // Gone meanwhile: that is what was asked for.
      if (codeOf(error) !== 'UPLOAD_LOST') throw error
    }
  }

  #listed({ key, size, tag }: ListedObject): readonly TargetObject[] {
    const { prefix } = this.#context.address
    // The prefix itself may be an object (consoles make such folders); it is no item of ours.
    if (key === prefix || key.startsWith(prefix + probeFolder)) return []
    const kind = key.endsWith('/') ? 'directory' : 'file'
    return [{ key: Buffer.from(key.slice(prefix.length), 'utf8'), kind, size, tag }]
  }
}

export function openSurvey(context: RoleContext, settings: S3Settings): TargetSurvey {
  return new S3Survey(context, settings)
}
