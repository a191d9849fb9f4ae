// What others do to a target that was verified: objects deleted, cut, rotten, replaced by strangers. Every damage is named,
// what is ours is repaired, also when the repair is killed again and again, and what is a stranger's stays.
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { compareFolders, runPython } from '../support/foreign-tools.ts'
import { type MixedTree, makeMixedTree } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { seededBytes } from '../support/seeded-bytes.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type ProcessPlace, runObjectOf, runWaybill, startWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024

interface Stage {
  readonly name: string
  readonly tree: MixedTree
  readonly place: ProcessPlace
  readonly migrate: readonly string[]
  readonly verify: readonly string[]
  /** The stored file of an item. */
  stored(path: string): string
  remove(path: string): Promise<void>
  /** Puts other bytes of the same length under the name, as another program would. */
  replace(path: string, bytes: Buffer): Promise<void>
  /** What others find different; `except` stays out of it. */
  compare(): Promise<readonly string[]>
}

interface Damage {
  readonly missing: readonly string[]
  readonly changed: readonly string[]
  readonly stranger: string
}

function rot(path: string, offset: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.from('rot!'), 0, 4, offset)
  closeSync(fd)
}

/** Distinct files that are large enough to be cut or changed. */
function chooseFiles(campaign: Campaign, { files, folder }: MixedTree, count: number): readonly string[] {
  const chosen = new Set<string>()
  while (chosen.size < count) {
    const path = files[integerBetween(campaign.random, 0, files.length - 1)] ?? ''
    if (!path.startsWith('large-') && statSync(join(folder, path)).size > 100) chosen.add(path)
  }
  return [...chosen]
}

async function damage(campaign: Campaign, stage: Stage): Promise<Damage> {
  const chosen = chooseFiles(campaign, stage.tree, 13)
  const [stranger = '', ...ours] = chosen
  const [missing, cut, rotten] = [ours.slice(0, 4), ours.slice(4, 8), ours.slice(8, 12)]
  for (const path of missing) await stage.remove(path)
  for (const path of cut) truncateSync(stage.stored(path), 50)
  for (const path of rotten) rot(stage.stored(path), 20)
  rot(stage.stored('large-0'), 7 * MiB + 5)
  rot(stage.stored('large-0'), 23 * MiB)
  await stage.remove('large-1')
  await stage.replace(
    stranger,
    seededBytes(`stranger ${campaign.seed}`, statSync(join(stage.tree.folder, stranger)).size),
  )
  return { missing: [...missing, 'large-1'], changed: [...cut, ...rotten, 'large-0'], stranger }
}

async function mustSucceed(stage: Stage, words: readonly string[]): Promise<void> {
  const run = runObjectOf(await runWaybill(words, stage.place))
  if (run.exit_code !== 0) throw new Error(`${stage.name}: ${words[0]} ended with ${run.exit_code}`)
}

async function repair(campaign: Campaign, stage: Stage): Promise<void> {
  const { name, tree } = stage
  await mustSucceed(stage, stage.migrate)
  const harm = await damage(campaign, stage)
  const count = harm.missing.length + harm.changed.length + 1
  const found = runObjectOf(await runWaybill(stage.verify, stage.place))
  const { missing, mismatched, verified, skipped, listed } = found.items
  campaign.promise(`${name}: verify ends with 5 and counts every damage`, {
    holds: found.exit_code === 5 && missing + mismatched === count && verified + skipped === listed - count,
    figures: `${harm.missing.length} deleted, ${harm.changed.length} changed, 1 replaced by a stranger: exit ${found.exit_code}, ${JSON.stringify(found.items)}`,
  })
  const repaired = await runWaybill(stage.migrate, stage.place)
  const run = runObjectOf(repaired)
  const stranger = readFileSync(stage.stored(harm.stranger))
  const isKept = stranger.equals(seededBytes(`stranger ${campaign.seed}`, stranger.length))
  campaign.promise(`${name}: migrate repairs all that is ours and leaves what is a stranger's`, {
    holds:
      (run.exit_code === 4 || run.exit_code === 5) &&
      run.items.verified + run.items.skipped === run.items.listed - 1 &&
      isKept,
    figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)}, the stranger's object is ${isKept ? 'kept' : 'CHANGED'}; said: ${repaired.notices.slice(0, 300)}`,
  })
  const overwriting = runObjectOf(await runWaybill([...stage.migrate, '--overwrite', 'different'], stage.place))
  const differences = await stage.compare()
  campaign.promise(`${name}: with --overwrite different the stranger's is replaced too, others find all equal`, {
    holds: overwriting.exit_code === 0 && differences.length === 0,
    figures: `exit ${overwriting.exit_code}, ${JSON.stringify(overwriting.items)}; ${tree.entries} entries, ${differences.length} differences ${differences.slice(0, 3).join('; ').slice(0, 400)}`,
  })
}

/** `--reconcile full` finds by itself what a listing cannot show, and the repair survives kills. */
async function repairKilled(campaign: Campaign, stage: Stage, kills: number): Promise<void> {
  const { tree } = stage
  const [rotten, missing] = [chooseFiles(campaign, tree, 6), chooseFiles(campaign, tree, 3)]
  for (const path of rotten) rot(stage.stored(path), 30)
  rot(stage.stored('large-0'), 11 * MiB)
  for (const path of missing) await stage.remove(path)
  const words = [...stage.migrate, '--reconcile', 'full', '--overwrite', 'different']
  let killed = 0
  for (let tries = 0; killed < kills && tries < kills * 3; tries += 1) {
    const run = startWaybill([...words, '--throughput', '2MB/s'], stage.place)
    await Promise.race([run.ended, sleep(integerBetween(campaign.random, 800, 3500))])
    run.child.kill('SIGKILL')
    if ((await run.ended).signal === 'SIGKILL') killed += 1
  }
  const run = runObjectOf(await runWaybill(words, stage.place))
  const differences = await stage.compare()
  campaign.promise(`${stage.name}: --reconcile full repairs what rotted, also when it is killed ${killed} times`, {
    holds:
      run.exit_code === 0 &&
      differences.length === 0 &&
      run.items.verified + run.items.already_there + run.items.skipped === run.items.listed,
    figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)}; ${differences.length} differences ${differences.slice(0, 3).join('; ').slice(0, 400)}`,
  })
}

function makeTree(campaign: Campaign, name: string): MixedTree {
  const options = { seed: campaign.seed, smallFiles: campaign.isQuick ? 200 : 1500, middleFiles: 5 }
  return makeMixedTree(join(campaign.folder, name), { ...options, largeFilesBytes: [40 * MiB, 12 * MiB] })
}

const endWords = ['--json', '-q', '--chunk-size', '5MiB', '--job', 'damage']

async function onFolder(campaign: Campaign): Promise<void> {
  const tree = makeTree(campaign, 'folder-source')
  const [home, target] = [join(campaign.folder, 'folder-home'), join(campaign.folder, 'folder-target')]
  mkdirSync(home)
  const stage: Stage = {
    name: 'folder',
    tree,
    place: { home },
    migrate: ['migrate', tree.folder, target, ...endWords],
    verify: ['verify', 'damage', '--json', '-q'],
    stored: (path) => join(target, path),
    remove: async (path) => unlinkSync(join(target, path)),
    replace: async (path, bytes) => {
      rmSync(join(target, path))
      writeFileSync(join(target, path), bytes)
    },
    compare: async () => compareFolders(tree.folder, target),
  }
  await repair(campaign, stage)
  await repairKilled(campaign, stage, campaign.isQuick ? 2 : 10)
}

async function onBucket(campaign: Campaign): Promise<void> {
  const tree = makeTree(campaign, 's3-source')
  const home = join(campaign.folder, 's3-home')
  mkdirSync(home)
  const bucket = await startTestBucket('versitygw', campaign.folder)
  try {
    await bucket.openToAnyone()
    const stored = join(bucket.server.objectsFolder ?? '', bucket.bucket, bucket.prefix)
    const of = (path: string) => ({ Bucket: bucket.bucket, Key: `${bucket.prefix}${path}` })
    const stage: Stage = {
      name: 'versitygw',
      tree,
      place: { home, environment: bucket.environment },
      migrate: ['migrate', tree.folder, bucket.location, ...bucket.words, ...endWords],
      verify: ['verify', 'damage', ...bucket.words, '--json', '-q'],
      stored: (path) => join(stored, path),
      remove: async (path) => {
        await bucket.client.send(new DeleteObjectCommand(of(path)))
      },
      replace: async (path, bytes) => {
        await bucket.client.send(new PutObjectCommand({ ...of(path), Body: bytes }))
      },
      compare: async () => {
        const url = `${bucket.server.endpoint}/${bucket.bucket}`
        const { code, output, errors } = runPython('keys-check.py', [tree.folder, url, bucket.prefix])
        const open = await bucket.openUploads()
        return [...(code === 0 ? [] : [output + errors]), ...(open === 0 ? [] : [`${open} uploads open`])]
      },
    }
    await repair(campaign, stage)
    await repairKilled(campaign, stage, campaign.isQuick ? 2 : 10)
  } finally {
    await bucket.stop()
  }
}

await runCampaign('damage', async (campaign) => {
  await onFolder(campaign)
  await onBucket(campaign)
})
