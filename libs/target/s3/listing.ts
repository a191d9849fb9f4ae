// One page of a listing. It asks for url-encoded keys, so that no character can break the XML, and decodes only when the
// answer says that it did so: versitygw ignores the wish. Pages start behind a key and not at a store's token, so that a
// listing goes on after a restart; the probe finds stores that list in another order than that of the bytes.
import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import type { RoleContext } from './writer.ts'

export const pageKeysMax = 1000

/** A key as it was written; `+` stands for a blank in this encoding. */
export function decodedKey(key: string, encoding: string | undefined): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key
}

export async function listPage(
  context: RoleContext,
  place: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  signal: AbortSignal,
): Promise<ListObjectsV2CommandOutput> {
  const command = new ListObjectsV2Command({
    Bucket: context.address.bucket,
    Prefix: place.prefix,
    MaxKeys: Math.min(place.limit, pageKeysMax),
    EncodingType: 'url',
    ...(place.after === null ? {} : { StartAfter: place.after }),
  })
  return context.control.call((sdk, options) => sdk.send(command, options), signal)
}
