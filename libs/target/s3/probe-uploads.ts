// The part of the probe that tries multipart uploads: checksums and conditions on completion, copies, listing, abort.
// Uploads of one small part do: the last part may have any size.
import { CompleteMultipartUploadCommand } from '@aws-sdk/client-s3'
import type { TargetAbilities } from '#schemas/records'
import { encodedValue, fullKey } from './address.ts'
import { headerText } from './lean.ts'
import { findObject } from './lookup.ts'
import { answeredCode, isRefused, type Probe, probeBody, sha256 } from './probe-objects.ts'
import { parseUpload, type UploadName } from './upload-name.ts'
import { listUploads, openUploads } from './uploads.ts'
import { openWriter } from './writer.ts'

export interface UploadAbilities {
  /** A part with a wrong checksum, and a completion that names one, are refused. */
  readonly checksParts: boolean
  readonly createsOnlyIfAbsent: boolean
  readonly replacesOnlyIfMatch: boolean
  readonly copiesParts: boolean
  readonly areListed: boolean
}

const refusals = ['TARGET_REFUSED_DIGEST', 'TARGET_REFUSED', 'PART_REFUSED'] as const
const wrongDigest = sha256(Buffer.from('another line'))
const strangeTag = '"00000000000000000000000000000000"'

interface Trial {
  readonly probe: Probe
  readonly name: string
  readonly upload: UploadName
}

async function sendPart({ probe, name, upload }: Trial, checksum: Buffer | null): Promise<string> {
  const answer = await probe.context.client.send(
    {
      method: 'PUT',
      key: probe.keyOf(name),
      query: `partNumber=1&uploadId=${encodedValue(upload.id)}`,
      headers: checksum === null ? [] : ['x-amz-checksum-sha256', checksum.toString('base64')],
      body: probeBody,
      payloadHash: sha256(probeBody).toString('hex'),
    },
    probe.signal,
  )
  return headerText(answer, 'etag') ?? ''
}

async function complete(
  { probe, name, upload }: Trial,
  part: { readonly tag: string; readonly checksum: Buffer | null },
  condition: { readonly IfMatch?: string; readonly IfNoneMatch?: string },
): Promise<void> {
  const checksum = part.checksum === null ? {} : { ChecksumSHA256: part.checksum.toString('base64') }
  const command = new CompleteMultipartUploadCommand({
    Bucket: probe.context.address.bucket,
    Key: fullKey(probe.context.address, probe.keyOf(name)),
    UploadId: upload.id,
    MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.tag, ...checksum }] },
    ...condition,
  })
  await probe.context.control.call((sdk, options) => sdk.send(command, options), probe.signal)
}

/** Tries an upload on the key `a`, where an object is, so that each completion has a reason to be refused. */
async function tryCompletions(
  trial: Trial,
  checksum: Buffer | null,
): Promise<Omit<UploadAbilities, 'copiesParts' | 'areListed'>> {
  const isPartRefused = checksum !== null && (await isRefused(refusals, () => sendPart(trial, wrongDigest)))
  const tag = await sendPart(trial, checksum)
  const absent = await answeredCode(() => complete(trial, { tag, checksum }, { IfNoneMatch: '*' }))
  const match = await answeredCode(() => complete(trial, { tag, checksum }, { IfMatch: strangeTag }))
  // Last, since a store that does not care completes the upload here.
  const wrong = { tag, checksum: checksum === null ? null : wrongDigest }
  const isWrongTaken = isPartRefused && (await answeredCode(() => complete(trial, wrong, {}))) === null
  return {
    checksParts: isPartRefused && !isWrongTaken,
    createsOnlyIfAbsent: absent === 'TARGET_EXISTS',
    // A store may destroy an upload whose first condition failed: then the second says nothing, and the first speaks for it.
    replacesOnlyIfMatch: match === 'TARGET_EXISTS' || (match === 'UPLOAD_LOST' && absent === 'TARGET_EXISTS'),
  }
}

/** A repair on a small scale: the part of a new object is copied from the one that is there. */
async function copiesParts(probe: Probe, abilities: TargetAbilities): Promise<boolean> {
  const { context, signal, dress } = probe
  const key = probe.keyOf('a')
  const found = await findObject(context.client, key, signal)
  if (found === null) return false
  const uploads = openUploads(context, abilities, probe.clock)
  const upload = await uploads.open({ key, size: found.size, dress, copiesParts: true }, signal)
  const writer = openWriter(context, abilities)
  const range = { offset: 0, length: found.size, seal: found.seal }
  const part = { key, upload, part: 1 }
  const code = await answeredCode(async () => {
    const { tag } = await writer.copyPart({ ...part, ...range }, signal)
    await complete({ probe, name: 'a', upload: parseUpload(upload) }, { tag, checksum: null }, {})
  })
  if (code === null) return true
  await uploads.abort(key, upload, signal)
  return false
}

async function isListed(
  context: Probe['context'],
  upload: { readonly prefix: string; readonly id: string },
  signal: AbortSignal,
): Promise<boolean> {
  for await (const { id } of listUploads(context, upload.prefix, signal)) if (id === upload.id) return true
  return false
}

/** @param checksBodies the store checked a whole object against SHA-256. */
export async function probeUploads(probe: Probe, assumed: TargetAbilities): Promise<UploadAbilities> {
  const { context, signal, dress } = probe
  const key = probe.keyOf('a')
  const uploads = openUploads(context, assumed, probe.clock)
  const text = await uploads.open({ key, size: probeBody.length, dress, copiesParts: false }, signal)
  const upload = parseUpload(text)
  try {
    const place = fullKey(context.address, probe.keyOf(''))
    const areListed = await isListed(context, { prefix: place, id: upload.id }, signal)
    const checksum = upload.isChecked ? sha256(probeBody) : null
    const completions = await tryCompletions({ probe, name: 'a', upload }, checksum)
    return { ...completions, copiesParts: await copiesParts(probe, assumed), areListed }
  } finally {
    await uploads.abort(key, text, signal)
  }
}
