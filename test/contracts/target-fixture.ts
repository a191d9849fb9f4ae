// What the target contract's tests share: a fresh target with all its ports, requests, readings.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import type {
  Condition,
  ObjectDress,
  PutRequest,
  ReadRequest,
  Target,
  TargetObject,
  TargetReader,
  TargetSurvey,
  TargetUploads,
  TargetWriter,
} from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'

/** An empty target of one job, and the hand of a stranger in it. */
export interface TargetFixture {
  readonly target: Target
  readonly job: string
  /** Puts other bytes under the key, as somebody would who does not know of us. */
  replace(key: Buffer, body: Buffer): Promise<void>
  remove(key: Buffer): Promise<void>
  close(): Promise<void>
}

export interface TargetContract {
  readonly name: string
  /** @returns null, having skipped the test, when this place cannot run it. */
  open(t: TestContext): Promise<TargetFixture | null>
  /** Length of parts that are not the last one. */
  readonly partBytes: number
  /** The store itself knows which parts it has. */
  readonly knowsParts: boolean
}

/** All ports of one target, opened after a probe. */
export interface Ports {
  readonly fixture: TargetFixture
  readonly abilities: TargetAbilities
  readonly survey: TargetSurvey
  readonly writer: TargetWriter
  readonly uploads: TargetUploads
  readonly reader: TargetReader
}

export const claim = 'claim-1'
export const neverAborted: AbortSignal = new AbortController().signal
const absent: Condition = { kind: 'absent' }

export function digestOf(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest()
}

export function isCode(...codes: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WaybillError, String(error))
    assert.ok(codes.includes(error.code), `${error.code} instead of ${codes.join(' or ')}`)
    return true
  }
}

export function dressOf({ fixture }: Ports, item = '1.1.0', generation = 1): ObjectDress {
  const attributes = { mode: 0o100640, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  return { mark: { job: fixture.job, item, generation }, attributes, mtimeNs: '1700000000123456789' }
}

export function keyOf({ fixture }: Ports, name: string): Buffer {
  const encoded = fixture.target.keys.keyOf(Buffer.from(name), 'file')
  assert.ok('key' in encoded, `${name} has a key`)
  return encoded.key
}

export function requestOf(ports: Ports, name: string, body: Buffer, more: Partial<PutRequest> = {}): PutRequest {
  const request = { key: keyOf(ports, name), kind: 'file', body, digest: digestOf(body), claim } as const
  return { ...request, dress: dressOf(ports), condition: absent, ...more }
}

/** Puts and settles. @returns the seal. */
export async function put(ports: Ports, name: string, body: Buffer, more: Partial<PutRequest> = {}): Promise<string> {
  const request = requestOf(ports, name, body, more)
  const { seal } = await ports.writer.put(request, neverAborted)
  await ports.writer.settle([request.key], neverAborted)
  return seal
}

export async function readBack(
  ports: Ports,
  key: Buffer,
  more: Partial<ReadRequest> & { length: number },
): Promise<Buffer> {
  const pieces: Buffer[] = []
  const request = { key, kind: 'file', seal: null, offset: 0, isFresh: false, ...more } as const
  const { bytes } = await ports.reader.read(request, (piece) => pieces.push(Buffer.from(piece)), neverAborted)
  const body = Buffer.concat(pieces)
  assert.equal(bytes, body.length, 'the reader counts what it gave')
  return body
}

export async function listAll(survey: TargetSurvey, limit: number): Promise<TargetObject[]> {
  const objects: TargetObject[] = []
  let cursor: Buffer | null = null
  do {
    const page: Awaited<ReturnType<TargetSurvey['list']>> = await survey.list(cursor, limit, neverAborted)
    assert.ok(page.objects.length <= limit, 'a page is no longer than asked for')
    objects.push(...page.objects)
    cursor = page.cursor
  } while (cursor !== null)
  return objects
}

/** Registers a test that is given all ports of a fresh target. */
export function portTest(contract: TargetContract, promise: string, run: (ports: Ports) => Promise<void>): void {
  test(promise, async (t) => {
    const fixture = await contract.open(t)
    if (fixture === null) return
    const survey = fixture.target.survey()
    try {
      const { abilities } = await survey.probe(neverAborted)
      const { target } = fixture
      const [writer, uploads, reader] = [target.writer(abilities), target.uploads(abilities), target.reader(abilities)]
      try {
        await writer.takeOver(claim, neverAborted)
        await run({ fixture, abilities, survey, writer, uploads, reader })
      } finally {
        await Promise.all([writer.close(), uploads.close(), reader.close()])
      }
    } finally {
      await survey.close()
      await fixture.close()
    }
  })
}
