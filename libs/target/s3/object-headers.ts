// The user's own options for objects, as S3 takes them: headers of a PUT, members of an upload's opening. Parts and copies
// of parts name none of them: they belong to the object that the upload becomes.
import type { CreateMultipartUploadCommandInput } from '@aws-sdk/client-s3'
import type { ObjectOptions } from '#libs/domain/object-options'
import { encodedValue } from './address.ts'
import type { Headers } from './sign.ts'

function tagging({ tags }: ObjectOptions): string | null {
  return tags.length === 0
    ? null
    : tags.map(([name, value]) => `${encodedValue(name)}=${encodedValue(value)}`).join('&')
}

/** Headers of a PUT beside those of its dress. */
export function objectHeaders(options: ObjectOptions): Headers {
  const single = (name: string, value: string | null): Headers => (value === null ? [] : [name, value])
  return [
    ...single('x-amz-storage-class', options.storageClass),
    ...single('x-amz-server-side-encryption', options.encryption),
    ...single('x-amz-server-side-encryption-aws-kms-key-id', options.encryptionKey),
    ...single('x-amz-tagging', tagging(options)),
    ...options.metadata.flatMap(([name, value]) => [`x-amz-meta-${name}`, value]),
  ]
}

/** Members of an upload's opening; metadata is apart, since it is one map with that of the dress. */
export function uploadMembers(options: ObjectOptions): Partial<CreateMultipartUploadCommandInput> {
  const { storageClass, encryption, encryptionKey } = options
  const tags = tagging(options)
  return {
    // The store judges the words: other stores have classes that AWS does not know.
    ...(storageClass === null
      ? {}
      : { StorageClass: storageClass as NonNullable<CreateMultipartUploadCommandInput['StorageClass']> }),
    ...(encryption === null
      ? {}
      : { ServerSideEncryption: encryption as NonNullable<CreateMultipartUploadCommandInput['ServerSideEncryption']> }),
    ...(encryptionKey === null ? {} : { SSEKMSKeyId: encryptionKey }),
    ...(tags === null ? {} : { Tagging: tags }),
  }
}
