// Processes are killed, or frozen until others took over, at points that matter: after a lease, after a PUT that was not
// logged, after a seal that was not logged, in the middle of a page and of a repair. A point is known from outside: by the
// log, or by a proxy of each process's own that holds back the answer of the store.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ListMultipartUploadsCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { isInstalled } from '../../scripts/server-binaries.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import {
  type ClusterWorld,
  type Comparison,
  promiseDigests,
  promiseEnd,
  withCluster,
} from '../support/cluster-campaign.ts'
import { instanceOf, type SeenEvent } from '../support/cluster-watch.ts'
import { runPython } from '../support/foreign-tools.ts'
import { type FaultProxy, type PassingRequest, startFaultProxy } from '../support/s3-fault-proxy.ts'
import { adminClient, type S3Server, startS3Server } from '../support/s3-server.ts'
import type { ServeMember, ServeRole } from '../support/serve-cluster.ts'

const MiB = 1024 * 1024
const waitMsMax = 120_000
const job = 'points'
const bucket = 'campaign'
const names = ['c1', 'c2', 'w1', 'w2', 'v1', 'v2'] as const
const counts = { coordinator: 2, worker: 2, verifier: 2 } as const

interface Stage extends ClusterWorld {
  readonly server: S3Server
  readonly proxies: ReadonlyMap<string, FaultProxy>
}

const isProbe = ({ url }: PassingRequest): boolean => url.includes('%25probe')
const matches = {
  put: (request: PassingRequest) => request.method === 'PUT' && !request.url.includes('uploadId') && !isProbe(request),
  part: (request: PassingRequest) =>
    request.method === 'PUT' && request.url.includes('partNumber') && !isProbe(request),
  seal: (request: PassingRequest) => request.method === 'POST' && request.url.includes('uploadId') && !isProbe(request),
  get: (request: PassingRequest) =>
    request.method === 'GET' && !/[?&](list-type|uploads|uploadId)/.test(request.url) && !isProbe(request),
} as const

/** Lets the store do what the next such request of a role asks for, and never answers; returns whose request it was. */
async function holdNext(
  { cluster, proxies }: Stage,
  role: ServeRole,
  what: keyof typeof matches,
): Promise<ServeMember> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let isHeld = false
  for (const { name } of cluster.membersOf(role)) {
    const proxy = proxies.get(name)
    if (proxy === undefined) continue
    proxy.fault = (request) => {
      if (isHeld || !matches[what](request)) return null
      isHeld = true
      resolve(name)
      return { kind: 'silent' }
    }
  }
  const found = await Promise.race([promise, sleep(waitMsMax).then(() => null)])
  for (const proxy of proxies.values()) proxy.fault = () => null
  if (found === null) throw new Error(`no ${what} of a ${role} within ${waitMsMax} ms`)
  // The store has acted by then.
  await sleep(500)
  return cluster.member(found)
}

/** Next event of a type by the process that appended it. */
async function nextOf(
  { watch, cluster }: Stage,
  fits: (event: SeenEvent) => boolean,
  from = watch.seen.length,
): Promise<ServeMember> {
  const found = await watch.until(fits, { from, msMax: waitMsMax })
  if (found === null) throw new Error(`the event did not come within ${waitMsMax} ms`)
  return cluster.member(instanceOf(found.writer))
}

/** Seconds until another process of its role holds what it held; null for verifiers, which hold nothing. */
async function untilTaken({ watch }: Stage, { name, role }: ServeMember): Promise<number | null> {
  if (role === 'verifier') {
    await sleep(15_000)
    return null
  }
  const topic = role === 'worker' ? 'chunks' : 'listings'
  const mine = new Set(watch.partitionsOf(name, topic))
  const startMs = performance.now()
  const taken = await watch.until(
    (event) =>
      event.type === 'PartitionClaimed' &&
      event.verdict === 'folded' &&
      event.topic === topic &&
      mine.has(event.partition) &&
      instanceOf(event.claim) !== name,
    { from: watch.seen.length, msMax: waitMsMax },
  )
  return taken === null ? null : (taken.atMs - startMs) / 1000
}

async function killAt(stage: Stage, point: string, member: ServeMember): Promise<void> {
  const taking = untilTaken(stage, member)
  await member.kill()
  const seconds = await taking
  member.start()
  stage.campaign.promise(`${point}: killed there, another goes on`, {
    holds: member.role === 'verifier' || seconds !== null,
    figures: `${member.name}, ${seconds === null ? 'nothing to take over' : `taken over after ${seconds.toFixed(1)} s`}`,
  })
}

async function freezeAt(stage: Stage, point: string, member: ServeMember): Promise<void> {
  const { watch, campaign } = stage
  const taking = untilTaken(stage, member)
  member.freeze()
  const seconds = await taking
  await sleep(2000)
  const from = watch.seen.length
  member.thaw()
  await sleep(5000)
  const own = watch.seen
    .slice(from)
    .filter(({ writer, topic }) => instanceOf(writer) === member.name && topic !== 'rates')
  const stale = own.filter(({ verdict }) => verdict === 'stale')
  campaign.promise(`${point}: frozen there until another took over, it wakes and does no harm`, {
    holds: member.role === 'verifier' || seconds !== null,
    figures: `${member.name}, ${seconds === null ? 'nothing to take over' : `taken over after ${seconds.toFixed(1)} s`}; in the 5 s after it woke it appended ${own.length} events, ${stale.length} stale: ${[...new Set(own.map(({ type, verdict }) => `${type} ${verdict}`))].join(', ')}`,
  })
}

/** One byte of an object is changed where the store keeps it, before it was read back. */
async function spoil(stage: Stage): Promise<void> {
  const { cluster, proxies, server } = stage
  const verifiers = cluster.membersOf('verifier')
  for (const verifier of verifiers) verifier.freeze()
  const before = new Map([...proxies].map(([name, { requests }]) => [name, requests.length]))
  const isNew = (request: PassingRequest): boolean => matches.put(request) && request.url.includes('/single/')
  let put: PassingRequest | undefined
  for (let waited = 0; put === undefined && waited < waitMsMax; waited += 200) {
    await sleep(200)
    put = [...proxies].flatMap(([name, { requests }]) => requests.slice(before.get(name))).find(isNew)
  }
  if (put === undefined) throw new Error('no file was put')
  await sleep(3000)
  const file = join(server.objectsFolder ?? '', decodeURIComponent(put.url.split('?')[0] ?? ''))
  const bytes = readFileSync(file)
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
  writeFileSync(file, bytes, { flag: 'r+' })
  for (const verifier of verifiers) verifier.thaw()
}

async function passPoints(stage: Stage): Promise<void> {
  const { watch } = stage
  const isFolded = ({ verdict }: SeenEvent): boolean => verdict === 'folded'
  await freezeAt(
    stage,
    'coordinator in the middle of its pages',
    await nextOf(stage, (event) => event.type === 'ItemsListed' && isFolded(event), 0),
  )
  await killAt(
    stage,
    'worker after its lease',
    await nextOf(stage, (event) => event.type === 'ChunkLeased' && isFolded(event)),
  )
  await killAt(stage, 'worker after a PUT, before the event', await holdNext(stage, 'worker', 'put'))
  await killAt(stage, 'worker after an UploadPart, before the event', await holdNext(stage, 'worker', 'part'))
  await killAt(stage, 'verifier in a GET', await holdNext(stage, 'verifier', 'get'))
  await freezeAt(stage, 'verifier in a GET', await holdNext(stage, 'verifier', 'get'))
  await freezeAt(stage, 'worker after a PUT, before the event', await holdNext(stage, 'worker', 'put'))
  const from = watch.seen.length
  await spoil(stage)
  await freezeAt(
    stage,
    'coordinator in a repair',
    await nextOf(stage, (event) => event.type === 'ItemsListed' && event.code === 'repair', from),
  )
  await killAt(stage, 'coordinator between a seal and its event', await holdNext(stage, 'coordinator', 'seal'))
  await freezeAt(stage, 'coordinator between a seal and its event', await holdNext(stage, 'coordinator', 'seal'))
}

async function runPoints(campaign: Campaign): Promise<void> {
  if (!isInstalled('versitygw')) {
    campaign.note('skipped: versitygw is not installed (scripts/servers.ts install)')
    return
  }
  const server = await startS3Server('versitygw', { parent: campaign.folder })
  await server.createBucket(bucket)
  const client = await adminClient(server.endpoint, server)
  const proxies = new Map(
    await Promise.all(names.map(async (name) => [name, await startFaultProxy(server.endpoint)] as const)),
  )
  const source = { folder: '' }
  const compare = async (): Promise<Comparison> => {
    const allow = (Action: string, resource: string): object => ({
      Effect: 'Allow',
      Principal: '*',
      Action: [Action],
      Resource: [`arn:aws:s3:::${resource}`],
    })
    const Statement = [allow('s3:GetObject', `${bucket}/*`), allow('s3:ListBucket', bucket)]
    await client.send(
      new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }),
    )
    const { code, output, errors } = runPython('keys-check.py', [
      source.folder,
      `${server.endpoint}/${bucket}`,
      'tree/',
    ])
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    const differences = [
      ...(code === 0 ? [] : [output + errors]),
      ...(Uploads.length === 0 ? [] : [`${Uploads.length} uploads open`]),
    ]
    return { differences, figures: `${output.trim()}, ${Uploads.length} uploads open` }
  }
  try {
    const options = {
      counts,
      compare,
      bytes: 650 * MiB,
      smallFiles: 3500,
      serve: ['source_rate = "3MB/s"', 'concurrency = 2'],
      target: [`location = "s3://${bucket}/tree"`, `region = "${server.region}"`, 'path_style = true'],
      environment: { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey },
      environmentOf: (name: string) => ({
        AWS_ENDPOINT_URL: proxies.get(name as (typeof names)[number])?.endpoint ?? server.endpoint,
      }),
    }
    await withCluster(campaign, options, async (world) => {
      source.folder = world.source
      const { cluster } = world
      await cluster.submit(job, ['--chunk-size', '5MiB'])
      await passPoints({ ...world, server, proxies })
      cluster.configure([])
      for (const member of cluster.membersOf('worker')) {
        await member.stop()
        member.start()
      }
      await promiseEnd(world, job, '15min')
      await promiseDigests(world, job)
    })
  } finally {
    client.destroy()
    for (const proxy of proxies.values()) await proxy.stop()
    await server.stop()
  }
}

await runCampaign('cluster-points', runPoints)
