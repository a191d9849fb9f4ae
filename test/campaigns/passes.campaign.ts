// Later passes move what is new or changed and nothing else; a job whose state is lost moves nothing at all.
import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ByteMeter, byteMeterAbsence, mountByteMeter } from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { compareFolders, runPython, runTool } from '../support/foreign-tools.ts'
import { readJobLog } from '../support/job-log.ts'
import { type MixedTree, makeMixedTree } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { seededBytes } from '../support/seeded-bytes.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type RunObject, runObjectOf, runWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const changedFiles = 10
/** Larger files are sent again whatever changed. */
const chunkBytes = 64 * MiB
/** The meter writes its windows within 100 ms of their end. */
const meterLagMs = 500

interface Stage {
  readonly name: string
  readonly tree: MixedTree
  readonly meter: ByteMeter
  readonly home: string
  run(): Promise<RunObject>
  /** Body bytes of items that the target received since the last call, and that it gave; null: nobody counts them. */
  traffic(): { readonly sent: number; readonly read: number } | null
  compare(): Promise<{ readonly differences: number; readonly figures: string }>
}

interface Measured {
  readonly run: RunObject
  /** Counted by the meter. */
  readonly sourceRead: number
  readonly sent: number
  readonly targetRead: number
  readonly figures: string
}

/** One run, with what others counted meanwhile; where nobody counts at the target, what the log says. */
async function measure(stage: Stage): Promise<Measured> {
  const before = stage.meter.total()
  stage.traffic()
  const run = await stage.run()
  await sleep(meterLagMs)
  const sourceRead = stage.meter.total() - before
  const counted = stage.traffic()
  const sent = counted?.sent ?? run.target_bytes_written
  const targetRead = counted?.read ?? run.target_bytes_read
  const by = counted === null ? 'the log' : 'the proxy'
  const figures = `exit ${run.exit_code}; source read ${sourceRead} by the meter, sent ${sent} and read back ${targetRead} by ${by}; ${JSON.stringify(run.items)}`
  return { run, sourceRead, sent, targetRead, figures }
}

/** Changes files in ways that people do: rewritten, longer, shorter, emptied, the same length. */
function changeFiles(
  campaign: Campaign,
  tree: MixedTree,
): { readonly paths: readonly string[]; readonly bytes: number } {
  const chosen = new Set<string>()
  while (chosen.size < changedFiles) {
    chosen.add(tree.files[integerBetween(campaign.random, 0, tree.files.length - 1)] ?? '')
  }
  const paths = [...chosen]
  for (const [index, path] of paths.entries()) {
    const full = join(tree.folder, path)
    chmodSync(full, 0o644)
    const { size } = statSync(full)
    const seed = `${campaign.seed} changed ${path}`
    if (index % 3 === 0) appendFileSync(full, seededBytes(seed, 1000))
    else if (index % 3 === 1) writeFileSync(full, seededBytes(seed, size))
    else writeFileSync(full, seededBytes(seed, Math.floor(size / 2)))
  }
  return { paths, bytes: paths.reduce((sum, path) => sum + statSync(join(tree.folder, path)).size, 0) }
}

async function sentByLog(stage: Stage, pass: number): Promise<number> {
  const events = await readJobLog(join(stage.home, 'state/waybill/jobs/passes/log'), ['ChunkTransferred'])
  return events
    .filter(({ chunk }) => chunk.startsWith(`${pass}.`))
    .reduce((sum, { targetBytesWritten }) => sum + targetBytesWritten, 0)
}

async function laterPass(campaign: Campaign, stage: Stage): Promise<void> {
  const { name, tree } = stage
  const changed = changeFiles(campaign, tree)
  const second = await measure(stage)
  const logged = await sentByLog(stage, 2)
  campaign.promise(`${name}: a second pass sends the bytes of the ${changedFiles} changed files and reads no others`, {
    holds:
      second.run.exit_code === 0 &&
      second.sent === changed.bytes &&
      logged === changed.bytes &&
      second.sourceRead === changed.bytes,
    figures: `${changed.bytes} bytes in ${changedFiles} of ${tree.files.length} files; ${logged} sent by the log; ${second.figures}`,
  })
  const now = Date.now() / 1000
  const sizeOf = (path: string): number => statSync(join(tree.folder, path)).size
  const touched = tree.files.filter((path) => sizeOf(path) <= chunkBytes)
  for (const path of touched) utimesSync(join(tree.folder, path), now, now + 1)
  const third = await measure(stage)
  const touchedBytes = touched.reduce((sum, path) => sum + sizeOf(path), 0)
  campaign.promise(`${name}: a third pass reads files that only got a new time once, and sends nothing`, {
    holds: third.run.exit_code === 0 && third.sourceRead === touchedBytes && third.sent === 0,
    figures: `${touchedBytes} bytes in ${touched.length} files; ${third.figures}`,
  })
  const fourth = await measure(stage)
  campaign.promise(`${name}: a pass over what did not change reads and sends nothing`, {
    holds: fourth.run.exit_code === 0 && fourth.sent === 0 && fourth.sourceRead === 0,
    figures: fourth.figures,
  })
  const { differences, figures } = await stage.compare()
  campaign.promise(`${name}: others find source and target equal after four passes`, {
    holds: differences === 0,
    figures,
  })
}

async function lostState(stage: Stage): Promise<Measured> {
  rmSync(join(stage.home, 'state'), { recursive: true })
  return measure(stage)
}

/** On folders links cannot bear our mark: they are there already, and what they say is read back. */
interface Unmarked {
  readonly items: number
  readonly bytes: number
}

async function adopt(campaign: Campaign, stage: Stage, unmarked: Unmarked): Promise<void> {
  const { name } = stage
  const bytes = bytesOf(stage.tree)
  const { run, sent, sourceRead, targetRead, figures } = await lostState(stage)
  const { verified, already_there: alreadyThere, skipped, listed } = run.items
  campaign.promise(`${name}: with the state folder gone nothing is sent, each side is read once, all is verified`, {
    holds:
      run.exit_code === 0 &&
      sent === 0 &&
      sourceRead === bytes &&
      targetRead === bytes + unmarked.bytes &&
      alreadyThere === unmarked.items &&
      verified + alreadyThere + skipped === listed,
    figures: `${bytes} bytes of files; ${figures}`,
  })
}

const bytesOf = (tree: MixedTree): number =>
  tree.files.reduce((sum, path) => sum + statSync(join(tree.folder, path)).size, 0)

function makeTree(campaign: Campaign, name: string): MixedTree {
  const [smallFiles, middleFiles] = campaign.isQuick ? [290, 9] : [980, 19]
  const folder = join(campaign.folder, name)
  return makeMixedTree(folder, { seed: campaign.seed, smallFiles, middleFiles, largeFilesBytes: [150 * MiB] })
}

async function passesOnFolder(campaign: Campaign): Promise<void> {
  const tree = makeTree(campaign, 'folder-source')
  const [home, target] = [join(campaign.folder, 'folder-home'), join(campaign.folder, 'folder-target')]
  mkdirSync(home)
  const meter = await mountByteMeter(tree.folder)
  try {
    const stage: Stage = {
      name: 'folder',
      tree,
      meter,
      home,
      run: async () =>
        runObjectOf(await runWaybill(['migrate', meter.folder, target, '--job', 'passes', '--json', '-q'], { home })),
      traffic: () => null,
      compare: async () => {
        const differences = compareFolders(tree.folder, target)
        return {
          differences: differences.length,
          figures: `${tree.entries} entries, ${differences.length} differences ${differences.slice(0, 4).join('; ').slice(0, 400)}`,
        }
      },
    }
    const first = await measure(stage)
    if (first.run.exit_code !== 0) throw new Error(first.figures)
    await laterPass(campaign, stage)
    await adopt(campaign, stage, { items: tree.links, bytes: tree.linkBytes })
    await adoptUnmarked(campaign, stage, target)
  } finally {
    await meter.unmount()
  }
}

/** What is equal and does not bear our mark was there before us. */
async function adoptUnmarked(campaign: Campaign, stage: Stage, target: string): Promise<void> {
  const unmarked = stage.tree.files.filter((_, index) => index % 40 === 0)
  const list = unmarked.map((path) => `${join(target, path)}\0`).join('')
  const script =
    "import os,sys\nfor path in sys.stdin.buffer.read().split(b'\\0')[:-1]: os.removexattr(path, 'user.waybill')"
  const removed = runTool('python3', ['-c', script], { input: Buffer.from(list) })
  if (removed.code !== 0) throw new Error(removed.errors)
  const { run, sent, figures } = await lostState(stage)
  campaign.promise('folder: files without our mark, and links, are already_there, all else is verified', {
    holds:
      run.exit_code === 0 &&
      sent === 0 &&
      run.items.already_there === unmarked.length + stage.tree.links &&
      run.items.verified === stage.tree.entries - unmarked.length - stage.tree.links,
    figures: `${unmarked.length} marks taken away; ${figures}`,
  })
}

async function passesOnBucket(campaign: Campaign): Promise<void> {
  const tree = makeTree(campaign, 's3-source')
  const home = join(campaign.folder, 's3-home')
  mkdirSync(home)
  const bucket = await startTestBucket('versitygw', campaign.folder)
  const meter = await mountByteMeter(tree.folder)
  try {
    await bucket.openToAnyone()
    const words = ['migrate', meter.folder, bucket.location, ...bucket.words, '--job', 'passes', '--json', '-q']
    const stage: Stage = {
      name: 'versitygw',
      tree,
      meter,
      home,
      run: async () => runObjectOf(await runWaybill(words, { home, environment: bucket.environment })),
      traffic: () => {
        const counted = { sent: bucket.proxy.uploadedBytes(), read: bucket.proxy.traffic.get.bodyBytesOut }
        bucket.proxy.reset()
        return counted
      },
      compare: async () => {
        const url = `${bucket.server.endpoint}/${bucket.bucket}`
        const { code, output, errors } = runPython('keys-check.py', [tree.folder, url, bucket.prefix])
        return { differences: code, figures: `${output.trim()}${errors}` }
      },
    }
    const first = await measure(stage)
    if (first.run.exit_code !== 0) throw new Error(first.figures)
    await laterPass(campaign, stage)
    await adopt(campaign, stage, { items: 0, bytes: 0 })
  } finally {
    await meter.unmount()
    await bucket.stop()
  }
}

await runCampaign('passes', async (campaign) => {
  const absence = byteMeterAbsence()
  if (absence !== null) {
    campaign.promise('the meter can be mounted', { holds: false, figures: absence })
    return
  }
  await passesOnFolder(campaign)
  await passesOnBucket(campaign)
})
