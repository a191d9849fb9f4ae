// What is there under a key: one HEAD.
import { codeOf } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { ObjectState } from '../target.ts'
import { kindOfMetadata, markOfMetadata } from './dress.ts'
import { headerText, type LeanClient } from './lean.ts'

/** null when there is none. @throws WaybillError */
export async function findObject(client: LeanClient, key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
  try {
    const answer = await client.send({ method: 'HEAD', key }, signal)
    const kind = kindOfMetadata(headerText(answer, 'x-amz-meta-waybill-kind'))
    return {
      seal: headerText(answer, 'etag') ?? '',
      // A link's object holds its text; what is asked for is the item's size, which links and directories do not have.
      size: kind === 'file' ? Number(headerText(answer, 'content-length') ?? 0) : 0,
      kind,
      mark: markOfMetadata(headerText(answer, 'x-amz-meta-waybill')),
    }
  } catch (error) {
    if (codeOf(error) === 'TARGET_MISSING') return null
    throw error
  }
}
