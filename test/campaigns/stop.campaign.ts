// Full disks and polite signals: the run stops with its own exit code, leaves nothing half-written under a final name, and
// the same command goes on once there is space, or time.
import { existsSync, lstatSync, mkdirSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { compareFolders, foundEntries, runPython } from '../support/foreign-tools.ts'
import { type MixedTree, makeMixedTree } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type DiskSize, mountSmallDisk, smallDiskAbsence } from '../support/small-disk.ts'
import { type ProcessPlace, runObjectOf, runWaybill, startWaybill } from '../support/waybill-process.ts'

const KiB = 1024
const MiB = 1024 * KiB
const plenty: DiskSize = { bytes: 1024 * MiB, inodes: 0 }
const stopMsMax = 10_000

/** Files under their final names that are not what the source has. */
function halfWritten(tree: MixedTree, target: string): readonly string[] {
  return tree.files.filter((path) => {
    const stored = join(target, path)
    if (!existsSync(stored)) return false
    return (
      lstatSync(stored).size !== lstatSync(join(tree.folder, path)).size ||
      !readFileSync(stored).equals(readFileSync(join(tree.folder, path)))
    )
  })
}

async function fullTarget(campaign: Campaign, tree: MixedTree, name: string, size: DiskSize): Promise<void> {
  const disk = mountSmallDisk(join(campaign.folder, `target-${name}`), size)
  try {
    const home = join(campaign.folder, `target-${name}-home`)
    mkdirSync(home)
    const target = join(disk.folder, 'copy')
    const words = ['migrate', tree.folder, target, '--job', 'full', '--json', '-q', '--chunk-size', '5MiB']
    const full = runObjectOf(await runWaybill(words, { home }))
    const broken = halfWritten(tree, target)
    campaign.promise(`target without ${name}: exit 8, nothing half-written under a final name`, {
      holds: full.exit_code === 8 && broken.length === 0,
      figures: `exit ${full.exit_code}, ${JSON.stringify(full.items)}; ${foundEntries(disk.folder).size} entries there, ${broken.length} half-written ${broken.slice(0, 3).join(' ')}`,
    })
    disk.resize(plenty)
    const resumed = runObjectOf(await runWaybill(words, { home }))
    const differences = compareFolders(tree.folder, target)
    campaign.promise(`target without ${name}: with space again the same command ends verified`, {
      holds: resumed.exit_code === 0 && differences.length === 0,
      figures: `exit ${resumed.exit_code}, ${JSON.stringify(resumed.items)}; ${differences.length} differences ${differences.slice(0, 3).join('; ').slice(0, 300)}`,
    })
  } finally {
    disk.unmount()
  }
}

/** What the state of a whole run takes, as a file system counts it. */
async function stateBytes(campaign: Campaign, tree: MixedTree): Promise<number> {
  const disk = mountSmallDisk(join(campaign.folder, 'state'), plenty)
  try {
    const home = join(campaign.folder, 'state-home')
    mkdirSync(home)
    const words = [
      'migrate',
      tree.folder,
      join(campaign.folder, 'state-target'),
      '--chunk-size',
      '5MiB',
      '--json',
      '-q',
    ]
    runObjectOf(await runWaybill([...words, '--state-dir', join(disk.folder, 'jobs')], { home }))
    const { blocks, bfree, bsize } = statfsSync(disk.folder)
    return (blocks - bfree) * bsize
  } finally {
    disk.unmount()
  }
}

async function fullState(campaign: Campaign, tree: MixedTree, bytes: number): Promise<void> {
  const size = { bytes: Math.ceil(bytes / (4 * KiB)) * 4 * KiB, inodes: 0 }
  const name = `${size.bytes / KiB}-KiB`
  const disk = mountSmallDisk(join(campaign.folder, `state-${name}`), size)
  try {
    const [home, target] = [join(campaign.folder, `state-${name}-home`), join(campaign.folder, `state-${name}-target`)]
    mkdirSync(home)
    const state = ['--state-dir', join(disk.folder, 'jobs')]
    const words = ['migrate', tree.folder, target, '--job', 'full', '--json', '-q', '--chunk-size', '5MiB', ...state]
    const end = await runWaybill(words, { home })
    const broken = halfWritten(tree, target)
    campaign.promise(`state on a disk of ${name}: exit 8, nothing half-written under a final name`, {
      holds: end.code === 8 && broken.length === 0,
      figures: `exit ${end.code} ${end.signal ?? ''}, ${broken.length} half-written; said ${end.output.slice(0, 200)} ${end.notices.slice(0, 300)}`,
    })
    disk.resize(plenty)
    const resumed = runObjectOf(await runWaybill(words, { home }))
    const differences = compareFolders(tree.folder, target)
    campaign.promise(`state on a disk of ${name}: with space again the same command ends verified`, {
      holds: resumed.exit_code === 0 && differences.length === 0,
      figures: `exit ${resumed.exit_code}, ${JSON.stringify(resumed.items)}; ${differences.length} differences ${differences.slice(0, 3).join('; ').slice(0, 300)}`,
    })
  } finally {
    disk.unmount()
  }
}

async function fullStore(campaign: Campaign, tree: MixedTree): Promise<void> {
  const disk = mountSmallDisk(join(campaign.folder, 'store'), { bytes: 40 * MiB, inodes: 0 })
  const bucket = await startTestBucket('versitygw', disk.folder)
  try {
    const home = join(campaign.folder, 'store-home')
    mkdirSync(home)
    const place = { home, environment: bucket.environment }
    const words = [
      'migrate',
      tree.folder,
      bucket.location,
      ...bucket.words,
      '--job',
      'full',
      '--json',
      '-q',
      '--chunk-size',
      '5MiB',
    ]
    const full = await runWaybill(words, place)
    campaign.promise('store without space: a run ends by itself and says that not all is copied', {
      holds: full.code === 8 || full.code === 4,
      figures: `exit ${full.code}, ${full.output.slice(0, 300)} ${full.notices.slice(0, 300)}`,
    })
    disk.resize(plenty)
    const resumed = runObjectOf(await runWaybill(words, place))
    await bucket.openToAnyone()
    const url = `${bucket.server.endpoint}/${bucket.bucket}`
    const check = runPython('keys-check.py', [tree.folder, url, bucket.prefix])
    const open = await bucket.openUploads()
    campaign.promise('store without space: with space again the same command ends verified, no upload is left', {
      holds: resumed.exit_code === 0 && check.code === 0 && open === 0,
      figures: `exit ${resumed.exit_code}, ${JSON.stringify(resumed.items)}; ${check.output.trim()}, ${open} uploads open`,
    })
  } finally {
    await bucket.stop()
    disk.unmount()
  }
}

const codeOfSignal = { SIGINT: 130, SIGTERM: 143 } as const

interface Signalled {
  readonly wrong: readonly string[]
  readonly stopMs: readonly number[]
  readonly ended: number
}

/** Signals runs at random moments until `count` of them were stopped by it. */
async function signalMany(
  campaign: Campaign,
  words: readonly string[],
  place: ProcessPlace,
  count: number,
): Promise<Signalled> {
  const wrong: string[] = []
  const stopMs: number[] = []
  let ended = 0
  while (stopMs.length < count) {
    const signal = stopMs.length % 2 === 0 ? 'SIGINT' : 'SIGTERM'
    const run = startWaybill(words, place)
    const moment = integerBetween(campaign.random, 1500, 4500)
    const early = await Promise.race([run.ended, sleep(moment).then(() => null)])
    if (early !== null) {
      ended += 1
      if (early.code !== 0) wrong.push(`ended with ${early.code}: ${early.notices.slice(0, 300)}`)
      if (ended > count) break
      continue
    }
    const sentAt = performance.now()
    run.child.kill(signal)
    const end = await run.ended
    stopMs.push(performance.now() - sentAt)
    if (end.code !== codeOfSignal[signal])
      wrong.push(`${signal} at ${moment} ms: exit ${end.code ?? end.signal} ${end.notices.slice(0, 300)}`)
  }
  return { wrong, stopMs: stopMs.toSorted((a, b) => a - b), ended }
}

async function signals(campaign: Campaign, tree: MixedTree): Promise<void> {
  const count = campaign.isQuick ? 4 : 20
  const bucket = await startTestBucket('versitygw', campaign.folder)
  try {
    for (const where of ['folder', 'versitygw'] as const) {
      const home = join(campaign.folder, `signal-${where}-home`)
      mkdirSync(home)
      const place = { home, environment: bucket.environment }
      const [target, ...store] =
        where === 'folder' ? [join(campaign.folder, 'signal-target')] : [bucket.location, ...bucket.words]
      if (target === undefined) throw new TypeError('no target')
      const limits = ['--job', 's', '--json', '-q', '--chunk-size', '5MiB']
      const words = ['migrate', tree.folder, target, ...store, ...limits]
      const { wrong, stopMs, ended } = await signalMany(campaign, [...words, '--throughput', '4MB/s'], place, count)
      const slowest = stopMs.at(-1) ?? 0
      const middle = stopMs[Math.floor(stopMs.length / 2)] ?? 0
      campaign.promise(`${where}: SIGINT ends with 130 and SIGTERM with 143, within ${stopMsMax / 1000} s`, {
        holds: wrong.length === 0 && slowest <= stopMsMax,
        figures: `${stopMs.length} signals, ${ended} runs had ended before; median ${middle.toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms ${wrong.slice(0, 3).join('; ')}`,
      })
      const run = runObjectOf(await runWaybill(words, place))
      const differences = where === 'folder' ? compareFolders(tree.folder, target) : await compareBucket(bucket, tree)
      campaign.promise(`${where}: the same command then ends verified, others agree`, {
        holds: run.exit_code === 0 && differences.length === 0,
        figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)}; ${differences.length} differences ${differences.slice(0, 3).join('; ').slice(0, 300)}`,
      })
    }
  } finally {
    await bucket.stop()
  }
}

async function compareBucket(
  bucket: Awaited<ReturnType<typeof startTestBucket>>,
  tree: MixedTree,
): Promise<readonly string[]> {
  await bucket.openToAnyone()
  const url = `${bucket.server.endpoint}/${bucket.bucket}`
  const { code, output, errors } = runPython('keys-check.py', [tree.folder, url, bucket.prefix])
  const open = await bucket.openUploads()
  return [...(code === 0 ? [] : [output + errors]), ...(open === 0 ? [] : [`${open} uploads open`])]
}

await runCampaign('stop', async (campaign) => {
  const smallFiles = campaign.isQuick ? 800 : 3000
  const options = { seed: campaign.seed, smallFiles, middleFiles: 6 }
  const tree = makeMixedTree(join(campaign.folder, 'source'), { ...options, largeFilesBytes: [40 * MiB, 11 * MiB] })
  campaign.note(`${tree.entries} entries, ${tree.fileBytes} bytes`)
  const absence = smallDiskAbsence()
  if (absence !== null) campaign.promise('a small disk can be mounted', { holds: false, figures: absence })
  else {
    await fullTarget(campaign, tree, 'bytes', { bytes: 30 * MiB, inodes: 0 })
    await fullTarget(campaign, tree, 'inodes', { bytes: 1024 * MiB, inodes: 300 })
    const needed = await stateBytes(campaign, tree)
    campaign.note(`the state of a whole run takes ${needed} bytes`)
    for (const share of campaign.isQuick ? [0.1, 0.5, 0.9] : [0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97]) {
      await fullState(campaign, tree, needed * share)
    }
    await fullStore(campaign, tree)
  }
  await signals(campaign, tree)
})
