// What can this store do? Tried in a folder of its own below the job's prefix, some forty small requests, all removed
// again. Nothing is believed from documents: stores of one name differ by version and configuration, and some accept a
// header and ignore it.
import { DeleteObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { TargetAbilities } from '#schemas/records'
import { isSameMark } from '../mark.ts'
import { fullKey } from './address.ts'
import { keyBytesMax, probeFolder } from './keys.ts'
import { headerText } from './lean.ts'
import { decodedKey, listPage } from './listing.ts'
import { findObject } from './lookup.ts'
import { objectHeaders } from './object-headers.ts'
import { checksBodies, keepsCondition, listsOddNames, type Probe, putProbe, readsRanges } from './probe-objects.ts'
import { probeUploads } from './probe-uploads.ts'
import type { S3Settings } from './settings.ts'
import { dressHeaders, type RoleContext } from './writer.ts'

const MiB = 1024 * 1024
const TiB = 1024 * 1024 * MiB

const clockFindingMs = 60_000

/** Limits are S3's own, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const unknownAbilities: TargetAbilities = {
  kind: 's3',
  isEmpty: false,
  createsOnlyIfAbsent: false,
  replacesOnlyIfMatch: false,
  checksUploads: false,
  readsRanges: false,
  copiesParts: false,
  keepsMarks: false,
  listsOddNames: false,
  // What a store answers from is the store's affair: it is the reader of its own disks.
  bypassesCache: true,
  objectBytesMax: 5 * TiB,
  partBytesMin: 5 * MiB,
  partBytesMax: 5 * 1024 * MiB,
  partsMax: 10_000,
  keyBytesMax,
  clockOffsetMs: 0,
  server: '',
}

interface Removable {
  readonly key: string
  readonly version: string | null
}

async function leftovers(probe: Probe, isVersioned: boolean): Promise<readonly Removable[]> {
  const { address, control } = probe.context
  const prefix = fullKey(address, probe.keyOf(''))
  if (!isVersioned) {
    const page = await listPage(probe.context, { prefix, after: null, limit: 1000 }, probe.signal)
    return page.objects.map(({ key }) => ({ key, version: null }))
  }
  const command = new ListObjectVersionsCommand({ Bucket: address.bucket, Prefix: prefix, EncodingType: 'url' })
  const page = await control.call((sdk, options) => sdk.send(command, options), probe.signal)
  return [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key = '', VersionId = null }) => ({
    key: decodedKey(Key, page.EncodingType),
    version: VersionId,
  }))
}

async function removeAll(probe: Probe, isVersioned: boolean): Promise<void> {
  const { address, control } = probe.context
  for (const { key, version } of await leftovers(probe, isVersioned)) {
    const place = { Bucket: address.bucket, Key: key, ...(version === null ? {} : { VersionId: version }) }
    await control.call((sdk, options) => sdk.send(new DeleteObjectCommand(place), options), probe.signal)
  }
}

/** In the probe a bare 403 is no affair of one item: the right is missing. */
function probeError(error: unknown): unknown {
  if (!(error instanceof WaybillError) || error.code !== 'TARGET_REFUSED') return error
  const isDenied = error.facts['status'] === 403
  return isDenied ? new WaybillError('TARGET_DENIED', error.facts, { cause: error }) : error
}

function findingsOf(abilities: TargetAbilities, checksPayload: boolean, listsUploads: boolean): ErrorCode[] {
  const findings: [boolean, ErrorCode][] = [
    [!abilities.createsOnlyIfAbsent || !abilities.replacesOnlyIfMatch, 'TARGET_UNCONDITIONAL'],
    [!abilities.checksUploads && !checksPayload, 'TARGET_UNCHECKED'],
    [!abilities.readsRanges, 'TARGET_NO_RANGES'],
    [!abilities.copiesParts, 'TARGET_NO_PART_COPY'],
    [!abilities.keepsMarks, 'MARK_NOT_KEPT'],
    [!abilities.listsOddNames, 'TARGET_ODD_LISTING'],
    [!listsUploads, 'TARGET_HIDES_UPLOADS'],
    [Math.abs(abilities.clockOffsetMs) > clockFindingMs, 'TARGET_CLOCK'],
  ]
  return findings.filter(([isFound]) => isFound).map(([, code]) => code)
}

async function probeAll(probe: Probe): Promise<{ abilities: TargetAbilities; findings: readonly string[] }> {
  const { context, signal } = probe
  const found = await findObject(context.client, probe.keyOf('a'), signal)
  const bodies = await checksBodies(probe)
  const createsOnlyIfAbsent = await keepsCondition(probe, ['if-none-match', '*'])
  const replacesOnlyIfMatch = await keepsCondition(probe, ['if-match', '"00000000000000000000000000000000"'])
  const uploads = await probeUploads(probe, { ...unknownAbilities, checksUploads: bodies.checksum })
  const server = context.connection.server()
  const abilities: TargetAbilities = {
    ...unknownAbilities,
    createsOnlyIfAbsent: createsOnlyIfAbsent && uploads.createsOnlyIfAbsent,
    replacesOnlyIfMatch: replacesOnlyIfMatch && uploads.replacesOnlyIfMatch,
    checksUploads: bodies.checksum && uploads.checksParts,
    readsRanges: await readsRanges(probe),
    copiesParts: uploads.copiesParts,
    keepsMarks: isSameMark(found?.mark ?? null, probe.dress.mark),
    listsOddNames: await listsOddNames(probe),
    // S3 itself raised the limit; what else speaks its language did not, as far as is known.
    objectBytesMax: server === 'AmazonS3' ? Math.floor(48.8 * TiB) : 5 * TiB,
    clockOffsetMs: Math.round(context.connection.clockOffsetMs() ?? 0),
    server,
  }
  return { abilities, findings: findingsOf(abilities, bodies.payload, uploads.areListed) }
}

function newProbe(context: RoleContext, settings: S3Settings, signal: AbortSignal): Probe {
  const folder = `${probeFolder}${Math.floor(settings.random() * 2 ** 48).toString(16)}/`
  // Characters that metadata may lose: the mark must come back whole.
  const mark = { job: `${settings.job} é %41 /`, item: '1.1.0', generation: 1 }
  return {
    context,
    signal,
    dress: { mark, attributes: { mode: 0o600, uid: 0, gid: 0 }, mtimeNs: '1' },
    clock: settings.clock,
    keyOf: (name) => Buffer.from(folder + name, 'utf8'),
  }
}

/** @throws WaybillError TARGET_MISSING_BUCKET, TARGET_DENIED, TARGET_WRONG_REGION, TARGET_UNREACHABLE, TARGET_CERTIFICATE, ... */
export async function probeTarget(
  context: RoleContext,
  settings: S3Settings,
  signal: AbortSignal,
): Promise<{ abilities: TargetAbilities; findings: readonly string[] }> {
  const probe = newProbe(context, settings, signal)
  try {
    const { prefix } = context.address
    const { objects } = await listPage(context, { prefix, after: null, limit: 2 }, signal)
    const isEmpty = objects.every(({ key }) => key === prefix)
    const likeItems = { key: probe.keyOf('a'), kind: 'file', dress: probe.dress } as const
    const first = await putProbe(probe, 'a', [...dressHeaders(likeItems), ...objectHeaders(context.objectOptions)])
    const version = headerText(first, 'x-amz-version-id')
    const isVersioned = version !== null && version !== 'null'
    try {
      const { abilities, findings } = await probeAll(probe)
      return { abilities: { ...abilities, isEmpty }, findings }
    } finally {
      await removeAll(probe, isVersioned)
    }
  } catch (error) {
    throw probeError(error)
  }
}
