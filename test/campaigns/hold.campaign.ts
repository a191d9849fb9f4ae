// A pause holds: the source is not read any more 5 s after it, counted below the program; whatever is killed meanwhile, the job
// stays paused; and when it goes on it ends verified. On a cluster over its API, and for `waybill migrate` from a second terminal.
import { mkdirSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { socketName } from '#libs/runtime/local-socket'
import { isKafkaInstalled } from '../../scripts/kafka-server.ts'
import { type ByteMeter, byteMeterAbsence, mountByteMeter } from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { type ClusterApi, clusterApi } from '../support/cluster-api.ts'
import { compareFolders } from '../support/foreign-tools.ts'
import { monotonicMs } from '../support/machine-watch.ts'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { type ServeCluster, startServeCluster } from '../support/serve-cluster.ts'
import { type RunObject, runObjectOf, runWaybill, startWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const rate = 20_000_000
const job = 'held'
/** After a pause nothing is read from here on. */
const stopMsMax = 5_000
const limit = ['--throughput', `${rate / 1_000_000}MB/s`]

interface Place {
  readonly campaign: Campaign
  readonly meter: ByteMeter
  readonly source: string
  readonly target: string
}

function bytesSince(meter: ByteMeter, fromMs: number): number {
  return meter.readings().reduce((sum, { startMs, bytes }) => sum + (startMs >= fromMs ? bytes : 0), 0)
}

async function untilRead(meter: ByteMeter, bytes: number): Promise<void> {
  for (const untilMs = monotonicMs() + 120_000; meter.total() < bytes; await sleep(200)) {
    if (monotonicMs() > untilMs) throw new Error(`${meter.total()} of ${bytes} bytes were read`)
  }
}

/** Watches for a while from the moment of a pause on. */
async function promiseStop({ campaign, meter }: Place, name: string, pausedMs: number, ms: number): Promise<void> {
  await sleep(Math.max(0, pausedMs + stopMsMax + ms - monotonicMs()))
  const late = bytesSince(meter, pausedMs + stopMsMax)
  const last = meter.readings().findLast(({ bytes }) => bytes > 0)?.startMs ?? pausedMs
  campaign.promise(`${name}: nothing is read of the source from 5 s after the pause on`, {
    holds: late === 0,
    figures: `${late} bytes in ${ms / 1000} s; ${bytesSince(meter, pausedMs)} bytes after the pause was answered, the last of them ${Math.max(0, last + 100 - pausedMs).toFixed(0)} ms later`,
  })
}

function promiseVerified(place: Place, name: string, run: RunObject): void {
  const differences = compareFolders(place.source, place.target)
  place.campaign.promise(`${name}: once it goes on it ends verified, and others find no difference`, {
    holds: run.exit_code === 0 && differences.length === 0,
    figures: `${run.verdict}, ${run.items.verified} of ${run.items.listed} items verified, ${differences.length} differences; ${place.meter.total()} bytes read by the meter of ${run.bytes.listed}`,
  })
}

async function killAll(cluster: ServeCluster, api: ClusterApi): Promise<void> {
  await Promise.all([...cluster.members.map((member) => member.kill()), api.kill()])
}

async function startAll(cluster: ServeCluster, api: ClusterApi): Promise<void> {
  for (const member of cluster.members) member.start()
  await api.start()
}

async function holdOnCluster(place: Place, cluster: ServeCluster, api: ClusterApi): Promise<void> {
  const { campaign, meter } = place
  const watchMs = campaign.isQuick ? 10_000 : 30_000
  const rounds = campaign.isQuick ? 1 : 3
  await api.start()
  await cluster.submit(job, limit)
  for (let round = 1; round <= rounds; round += 1) {
    const name = `cluster, round ${round}`
    await untilRead(meter, meter.total() + 4 * rate)
    const asked = monotonicMs()
    const answer = await api.call('POST', `/migrations/${job}/pause`, { reason: 'backup window' })
    const pausedMs = monotonicMs()
    campaign.note(
      `${name}: ${answer['status']}, ${answer['limited_by']}, answered after ${(pausedMs - asked).toFixed(0)} ms`,
    )
    await promiseStop(place, name, pausedMs, watchMs)
    const killedMs = monotonicMs()
    await killAll(cluster, api)
    await startAll(cluster, api)
    // Grants, claims and leases of the processes before are over within this.
    await sleep(watchMs + 20_000)
    const { status } = await api.call('GET', `/migrations/${job}`)
    const bytes = bytesSince(meter, killedMs)
    campaign.promise(`${name}: all processes killed and started again, it is still paused and nothing is read`, {
      holds: status === 'paused' && bytes === 0,
      figures: `${status}, ${bytes} bytes in ${((monotonicMs() - killedMs) / 1000).toFixed(0)} s, ${cluster.members.length + 1} processes`,
    })
    const resumedMs = monotonicMs()
    await api.call('POST', `/migrations/${job}/resume`, { reason: 'backup is over' })
    await untilRead(meter, meter.total() + 1)
    campaign.note(`${name}: read again ${((monotonicMs() - resumedMs) / 1000).toFixed(1)} s after the resume`)
  }
  promiseVerified(place, 'cluster', await cluster.wait(job, '10min'))
}

async function cluster(place: Place): Promise<void> {
  const { campaign, meter, target } = place
  if (!isKafkaInstalled()) {
    campaign.promise('a broker is there', { holds: false, figures: 'Kafka is not installed' })
    return
  }
  const folder = join(campaign.folder, 'cluster')
  const started = await startServeCluster({
    counts: { coordinator: 1, worker: 2, verifier: 1 },
    source: [`location = ${JSON.stringify(meter.folder)}`],
    target: [`location = ${JSON.stringify(target)}`],
    folder,
  })
  const api = await clusterApi(started, folder)
  try {
    await holdOnCluster(place, started, api)
  } finally {
    await api.kill()
    await started.stop()
  }
}

/** Asks over the job's socket and kills the process with the answer: it has no moment to end by itself. */
function pauseAndKill(socketPath: string, kill: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const asked = request({ socketPath, method: 'POST', path: `/migrations/${job}/pause`, headers }, (answer) => {
      kill()
      answer.resume()
      // The rest of the answer may be lost with the process.
      answer.on('error', () => undefined)
      if (answer.statusCode === 202) resolve()
      else reject(new Error(`pause: ${answer.statusCode}`))
    })
    asked.once('error', reject)
    asked.end(JSON.stringify({ reason: 'backup window' }))
  })
}

async function embedded(place: Place): Promise<void> {
  const { campaign, meter, target } = place
  const home = join(campaign.folder, 'home')
  mkdirSync(home)
  const watchMs = campaign.isQuick ? 5_000 : 15_000
  const state = ['--state-dir', join(home, 'jobs')]
  const words = ['migrate', meter.folder, target, '--job', job, ...limit, ...state, '--json', '-q']
  for (const isKilled of [false, true]) {
    const name = isKilled ? 'migrate, killed' : 'migrate, left alone'
    const running = startWaybill(words, { home })
    await untilRead(meter, meter.total() + 3 * rate)
    if (isKilled) await pauseAndKill(join(home, 'jobs', job, socketName), () => running.child.kill('SIGKILL'))
    else {
      const pause = await runWaybill(['jobs', 'pause', job, '--reason', 'backup window', ...state], { home })
      if (pause.code !== 0) throw new Error(`pause ended with ${pause.code}: ${pause.output}${pause.notices}`)
    }
    const pausedMs = monotonicMs()
    const [end] = await Promise.all([running.ended, promiseStop(place, name, pausedMs, watchMs)])
    const shown = await runWaybill(['jobs', 'show', job, '--json', ...state], { home })
    const { state: said } = JSON.parse(shown.output) as { readonly state: string }
    campaign.promise(`${name}: its process is gone and the job is paused`, {
      holds: said === 'paused' && (isKilled ? end.signal === 'SIGKILL' : end.code === 8),
      figures: `${said}, the process ended with ${end.code ?? end.signal}`,
    })
  }
  promiseVerified(place, 'migrate', runObjectOf(await runWaybill(words, { home })))
}

async function withSource(campaign: Campaign, name: string, body: (place: Place) => Promise<void>): Promise<void> {
  const [source, target] = [join(campaign.folder, `${name}-source`), join(campaign.folder, `${name}-target`)]
  for (const folder of [source, target]) mkdirSync(folder)
  const files = campaign.isQuick ? 20 : 40
  for (let index = 0; index < files; index += 1) writeStampedFile(join(source, `f${index}`), `${index}`, 16 * MiB)
  const meter = await mountByteMeter(source)
  try {
    await body({ campaign, meter, source, target })
  } finally {
    await meter.unmount()
  }
}

await runCampaign('hold', async (campaign) => {
  const absence = byteMeterAbsence()
  if (absence !== null) {
    campaign.promise('the meter can be mounted', { holds: false, figures: absence })
    return
  }
  await withSource(campaign, 'embedded', embedded)
  await withSource(campaign, 'cluster', cluster)
})
