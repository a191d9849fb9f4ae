// The part of the probe that tries whole objects: conditions, checksums, ranges, names.
import { hash } from 'node:crypto'
import { codeOf, type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { Bytes } from '#schemas/avro'
import type { ObjectDress } from '../target.ts'
import { fullKey } from './address.ts'
import type { Answer } from './connection.ts'
import { listPage } from './listing.ts'
import type { Headers } from './sign.ts'
import type { RoleContext } from './writer.ts'

export const probeBody = Buffer.from('a line that waybill wrote to see what this store can do\n')
/** In S3's order; among them what XML, URLs and path libraries like to change. */
const oddNames = [' b  c ', "d+e&f=%41'(g)!*", 'h\\i', 'k/l', 'k0', 'n\u0303', '\u00f1\u{1f600}']

export interface Probe {
  readonly context: RoleContext
  readonly signal: AbortSignal
  readonly dress: ObjectDress
  readonly clock: Clock
  /** In the folder of this probe, without the job's prefix. */
  keyOf(name: string): Bytes
}

/** True when the call failed with one of the codes; any other failure is thrown on. */
export async function isRefused(codes: readonly ErrorCode[], call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call()
    return false
  } catch (error) {
    if (codes.includes(codeOf(error))) return true
    throw error
  }
}

export function sha256(body: Buffer): Buffer {
  return hash('sha256', body, 'buffer')
}

export function putProbe(probe: Probe, name: string, headers: Headers, payload = sha256(probeBody)): Promise<Answer> {
  const request = { method: 'PUT', key: probe.keyOf(name), headers, body: probeBody } as const
  return probe.context.client.send({ ...request, payloadHash: payload.toString('hex') }, probe.signal)
}

/** The code a refusal was answered with, null for success. What may work later, or is no refusal, is thrown on. */
export async function answeredCode(call: () => Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await call()
    return null
  } catch (error) {
    if (!(error instanceof WaybillError) || typeof error.facts['status'] !== 'number') throw error
    if (error.retry === 'again' && error.code !== 'PART_REFUSED' && error.facts['status'] !== 501) throw error
    return error.code
  }
}

/** A condition counts when a write that breaks it is refused; other refusals say that the store does not know it. */
export async function keepsCondition(probe: Probe, header: Headers): Promise<boolean> {
  return (await answeredCode(() => putProbe(probe, 'a', header))) === 'TARGET_EXISTS'
}

export async function checksBodies(probe: Probe): Promise<{ checksum: boolean; payload: boolean }> {
  const wrong = sha256(Buffer.from('another line'))
  const refusals = ['TARGET_REFUSED_DIGEST', 'TARGET_REFUSED', 'TARGET_DENIED'] as const
  const payload = await isRefused(refusals, () => putProbe(probe, 'w', [], wrong))
  const isWrongRefused = await isRefused(refusals, () =>
    putProbe(probe, 'w', ['x-amz-checksum-sha256', wrong.toString('base64')]),
  )
  // A store may refuse the header itself: then it cannot be used either.
  const right: Headers = ['x-amz-checksum-sha256', sha256(probeBody).toString('base64')]
  const isRightRefused = isWrongRefused && (await isRefused(refusals, () => putProbe(probe, 'w', right)))
  return { checksum: isWrongRefused && !isRightRefused, payload }
}

export async function readsRanges(probe: Probe): Promise<boolean> {
  const bytes: Buffer[] = []
  const answer = await probe.context.client.send(
    {
      method: 'GET',
      key: probe.keyOf('a'),
      headers: ['range', 'bytes=7-15'],
      accept: () => (part) => bytes.push(Buffer.from(part)),
    },
    probe.signal,
  )
  return answer.status === 206 && Buffer.concat(bytes).equals(probeBody.subarray(7, 16))
}

/** Names come back as they were written, and in the order of their bytes. */
export async function listsOddNames(probe: Probe): Promise<boolean> {
  for (const name of oddNames) {
    if (await isRefused(['TARGET_REFUSED'], () => putProbe(probe, `odd/${name}`, []))) return false
  }
  const prefix = fullKey(probe.context.address, probe.keyOf('odd/'))
  const { objects } = await listPage(probe.context, { prefix, after: null, limit: 100 }, probe.signal)
  const listed = objects.map(({ key }) => key.slice(prefix.length))
  return listed.join('\n') === oddNames.join('\n')
}
