// What a job sets on every object that it writes to a store, beside what docs/keys.md lists: storage class, encryption at
// rest, metadata and tags of the user's own. Part of the job's request, so nothing here is a secret.
// Limits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html and .../object-tagging.html

export type Pair = readonly [name: string, value: string]

export interface ObjectOptions {
  readonly storageClass: string | null
  /** `AES256`, `aws:kms` or `aws:kms:dsse` */
  readonly encryption: string | null
  /** Id or ARN of the key; null: the store's own. */
  readonly encryptionKey: string | null
  /** Names in lower case; both lists are sorted by name. */
  readonly metadata: readonly Pair[]
  readonly tags: readonly Pair[]
}

export const noObjectOptions: ObjectOptions = {
  storageClass: null,
  encryption: null,
  encryptionKey: null,
  metadata: [],
  tags: [],
}

/** Metadata that every object carries anyway; all names that begin with `waybill` are ours too. */
const ownMetadata: readonly string[] = ['gid', 'mode', 'mtime', 'uid']

export const encryptions = ['AES256', 'aws:kms', 'aws:kms:dsse'] as const
/** Objects of these classes cannot be read before they are restored, so nothing could be proven. */
const unreadableClasses: readonly string[] = ['GLACIER', 'DEEP_ARCHIVE']

/** S3 takes 2 KB; what an object carries anyway needs a fifth of it. */
const metadataBytesMax = 1536
const tagsMax = 10

/** Why this cannot be a storage class, or null. Stores have classes of their own, so no list of words decides. */
export function storageClassProblem(word: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(word))
    return `"${word}" is not a storage class; write for example STANDARD_IA`
  return unreadableClasses.includes(word)
    ? `objects of the class ${word} cannot be read back, so none could be proven`
    : null
}

/** Why this cannot be metadata, or null. */
export function metadataProblem([name, value]: Pair): string | null {
  if (!/^[a-z0-9][a-z0-9._-]{0,127}$/.test(name))
    return `"${name}" is not a name for metadata; use letters, digits, . _ -`
  if (ownMetadata.includes(name) || name.startsWith('waybill')) return `"${name}" is set by waybill itself`
  if (!/^[!-~](?:[ -~]*[!-~])?$/.test(value)) return `"${name}" needs a value of visible ASCII characters`
  return null
}

/** Why this cannot be a tag, or null. */
export function tagProblem([name, value]: Pair): string | null {
  const allowed = /^[\p{L}\p{N}\p{Z}+\-=._:/@]*$/u
  if (name === '' || name.length > 128 || !allowed.test(name) || name.startsWith('aws:'))
    return `"${name}" is not a name for a tag`
  return value.length > 256 || !allowed.test(value) ? `the tag "${name}" has a value that stores refuse` : null
}

function repeated(pairs: readonly Pair[]): string | null {
  return pairs.find(([name], index) => pairs.findIndex((other) => other[0] === name) < index)?.[0] ?? null
}

/** What contradicts itself or is too much, or null; each option alone is checked before. */
export function objectOptionsProblem({ encryption, encryptionKey, metadata, tags }: ObjectOptions): string | null {
  if (encryptionKey !== null && encryption !== 'aws:kms' && encryption !== 'aws:kms:dsse')
    return '--sse-kms-key-id needs --sse aws:kms or aws:kms:dsse'
  const twice = repeated(metadata) ?? repeated(tags)
  if (twice !== null) return `"${twice}" is given twice`
  const bytes = metadata.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (bytes > metadataBytesMax) return `--metadata takes ${metadataBytesMax} bytes in all, and this is ${bytes}`
  return tags.length > tagsMax ? `an object has at most ${tagsMax} tags` : null
}

/** As members of a job's `targetOptions`, in one order: the same options give the same request. */
export function objectOptionsText(options: ObjectOptions): readonly Pair[] {
  const { storageClass, encryption, encryptionKey, metadata, tags } = options
  const single = (name: string, value: string | null): readonly Pair[] => (value === null ? [] : [[name, value]])
  return [
    ...single('storageClass', storageClass),
    ...single('sse', encryption),
    ...single('sseKmsKeyId', encryptionKey),
    ...metadata.map(([name, value]): Pair => [`metadata.${name}`, value]),
    ...tags.map(([name, value]): Pair => [`tag.${name}`, value]),
  ]
}

/** Back from `targetOptions`. */
export function objectOptionsOf(targetOptions: Readonly<Record<string, string>>): ObjectOptions {
  const below = (prefix: string): readonly Pair[] =>
    sortedPairs(
      Object.entries(targetOptions).flatMap(([name, value]): Pair[] =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
      ),
    )
  return {
    storageClass: targetOptions['storageClass'] ?? null,
    encryption: targetOptions['sse'] ?? null,
    encryptionKey: targetOptions['sseKmsKeyId'] ?? null,
    metadata: below('metadata.'),
    tags: below('tag.'),
  }
}

export function sortedPairs(pairs: readonly Pair[]): readonly Pair[] {
  return [...pairs].sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
}
