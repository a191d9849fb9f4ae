// SIGKILL at any moment: nothing is lost, little is sent twice, what is verified is not moved again, nothing stays behind.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { compareFolders, runPython, runTool } from '../support/foreign-tools.ts'
import { readJobLog } from '../support/job-log.ts'
import { type MixedTree, makeMixedTree, writeStampedFile } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type ProcessPlace, runObjectOf, runWaybill, startWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB
const inFlightBytesMax = 256 * MiB

async function killOneLarge(campaign: Campaign): Promise<void> {
  const size = campaign.isQuick ? 640 * MiB : 4 * GiB
  const source = join(campaign.folder, 'large-source')
  mkdirSync(source)
  writeStampedFile(join(source, 'large'), `${campaign.seed}`, size)
  const bucket = await startTestBucket('versitygw', campaign.folder)
  try {
    const home = join(campaign.folder, 'large-home')
    mkdirSync(home)
    const place = { home, environment: bucket.environment }
    const words = [
      'migrate',
      source,
      bucket.location,
      ...bucket.words,
      '--job',
      'large',
      '--json',
      '-q',
      '--concurrency',
      '4',
    ]
    const first = startWaybill(words, place)
    let end = null
    first.ended.then(
      (ended) => {
        end = ended
      },
      () => undefined,
    )
    while (end === null && bucket.proxy.uploadedBytes() < size * 0.65) await sleep(20)
    first.child.kill('SIGKILL')
    const killed = await first.ended
    const sentBefore = bucket.proxy.uploadedBytes()
    const run = runObjectOf(await runWaybill(words, place))
    const sent = bucket.proxy.uploadedBytes()
    const share = (sentBefore / size) * 100
    campaign.promise('large: killed at about 65 %, the same command ends verified', {
      holds: killed.signal === 'SIGKILL' && run.exit_code === 0 && run.items.verified === 1,
      figures: `killed at ${share.toFixed(1)} % (${killed.signal ?? killed.code}), then exit ${run.exit_code}, ${run.items.verified} verified`,
    })
    campaign.promise('large: both runs together send at most the file and 256 MiB', {
      holds: sent >= size && sent <= size + inFlightBytesMax,
      figures: `${sent} body bytes for ${size}: ${((sent - size) / MiB).toFixed(1)} MiB sent twice (${sentBefore} + ${sent - sentBefore})`,
    })
    const open = await bucket.openUploads()
    campaign.promise('large: no upload is left open', { holds: open === 0, figures: `${open} open` })
    const stored = join(bucket.server.objectsFolder ?? '', bucket.bucket, bucket.prefix, 'large')
    const { code, output, errors } = runTool('cmp', [join(source, 'large'), stored])
    campaign.promise('large: cmp finds the object equal on the disk of the server', {
      holds: code === 0,
      figures: `${size} bytes, exit ${code} ${output}${errors}`,
    })
  } finally {
    await bucket.stop()
  }
}

/** Where a job's target is, for the many kills. */
interface Aim {
  readonly name: string
  readonly target: string
  readonly words: readonly string[]
  readonly place: ProcessPlace
  /** What others find different, and how much they compared. */
  compare(tree: MixedTree): Promise<{ readonly differences: readonly string[]; readonly figures: string }>
}

/** Leases and transfers of chunks that were verified before, and what was read of the source in all. */
async function workAfterProof(logFolder: string): Promise<{
  readonly again: readonly string[]
  readonly read: number
  readonly claims: number
  readonly leases: number
}> {
  const types = [
    'ChunkLeased',
    'ChunkTransferred',
    'ChunkFailed',
    'ChunkVerified',
    'RoundOpened',
    'PartitionClaimed',
  ] as const
  const verified = new Set<string>()
  const again: string[] = []
  let [read, claims, leases] = [0, 0, 0]
  for (const event of await readJobLog(logFolder, types)) {
    switch (event.type) {
      case 'ChunkVerified':
        verified.add(event.chunk)
        break
      case 'ChunkLeased':
        leases += 1
        if (verified.has(event.chunk)) again.push(`${event.chunk} leased`)
        break
      case 'ChunkTransferred':
      case 'ChunkFailed':
        read += event.sourceBytesRead
        if (event.type === 'ChunkTransferred' && verified.has(event.chunk)) again.push(`${event.chunk} transferred`)
        break
      case 'RoundOpened':
        verified.clear()
        break
      case 'PartitionClaimed':
        claims += 1
    }
  }
  return { again, read, claims, leases }
}

/** Kills the run at random moments until `killsMax` kills, then lets it come to its end. */
async function killMany(campaign: Campaign, aim: Aim, tree: MixedTree, killsMax: number): Promise<void> {
  const words = [
    'migrate',
    tree.folder,
    aim.target,
    ...aim.words,
    '--job',
    'mixed',
    '--json',
    '-q',
    '--chunk-size',
    '5MiB',
    '--throughput',
    '6MB/s',
  ]
  let kills = 0
  let ended = 0
  const moments: number[] = []
  while (kills < killsMax) {
    const run = startWaybill(words, aim.place)
    const moment = integerBetween(campaign.random, 200, 4000)
    await Promise.race([run.ended, sleep(moment)])
    run.child.kill('SIGKILL')
    const { code, signal, notices, output } = await run.ended
    if (signal === 'SIGKILL') {
      kills += 1
      moments.push(moment)
    } else if (code === 0) ended += 1
    else throw new Error(`kill ${kills}: exit ${code}: ${output} ${notices}`)
  }
  const run = runObjectOf(await runWaybill(words.slice(0, -2), aim.place))
  const proven = run.items.verified + run.items.already_there + run.items.skipped
  campaign.promise(`${aim.name}: after ${kills} kills at random moments everything is verified`, {
    holds:
      run.exit_code === 0 &&
      proven === tree.entries &&
      run.items.listed === tree.entries &&
      // A link cannot bear our mark: one that was made before the kill and not logged is there already.
      run.items.already_there <= tree.links,
    figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)} of ${tree.entries}; ${ended} runs had ended before their kill; report: ${runPython('report-check.py', [run.report_path]).output.trim().slice(0, 60)}`,
  })
  const { again, read, claims, leases } = await workAfterProof(join(aim.place.home, 'state/waybill/jobs/mixed/log'))
  campaign.promise(`${aim.name}: no chunk is leased or moved again after it was verified`, {
    holds: again.length === 0 && leases > 0,
    figures: `${again.length} of ${leases} leases under ${claims} claims ${again.slice(0, 5).join(', ')}; ${read} bytes read by attempts that could tell, for ${tree.fileBytes}`,
  })
  const { differences, figures } = await aim.compare(tree)
  campaign.promise(`${aim.name}: others find source and target equal, and nothing left behind`, {
    holds: differences.length === 0,
    figures: `${figures} ${differences.slice(0, 5).join('; ').slice(0, 600)}`,
  })
}

async function killOnFolder(campaign: Campaign, tree: MixedTree, kills: number): Promise<void> {
  const home = join(campaign.folder, 'folder-home')
  const target = join(campaign.folder, 'folder-target')
  mkdirSync(home)
  const compare = async (): ReturnType<Aim['compare']> => {
    const differences = compareFolders(tree.folder, target)
    return { differences, figures: `${tree.entries} entries, ${differences.length} differences` }
  }
  await killMany(campaign, { name: 'folder', target, words: [], place: { home }, compare }, tree, kills)
}

async function killOnBucket(campaign: Campaign, tree: MixedTree, kills: number): Promise<void> {
  const bucket = await startTestBucket('versitygw', campaign.folder)
  try {
    const home = join(campaign.folder, 's3-home')
    mkdirSync(home)
    const place = { home, environment: bucket.environment }
    const compare = async (): ReturnType<Aim['compare']> => {
      await bucket.openToAnyone()
      const url = `${bucket.server.endpoint}/${bucket.bucket}`
      const { code, output, errors } = runPython('keys-check.py', [tree.folder, url, bucket.prefix])
      const open = await bucket.openUploads()
      const differences = [...(code === 0 ? [] : [output + errors]), ...(open === 0 ? [] : [`${open} uploads open`])]
      return { differences, figures: `${output.trim()}, ${open} uploads open` }
    }
    await killMany(
      campaign,
      { name: 'versitygw', target: bucket.location, words: bucket.words, place, compare },
      tree,
      kills,
    )
  } finally {
    await bucket.stop()
  }
}

await runCampaign('kill', async (campaign) => {
  const kills = campaign.isQuick ? 5 : 50
  const scale = campaign.isQuick ? 1 : 4
  const tree = makeMixedTree(join(campaign.folder, 'source'), {
    seed: campaign.seed,
    smallFiles: 700 * scale,
    middleFiles: 8 * scale,
    largeFilesBytes: [60 * MiB, 12 * MiB + 1],
  })
  campaign.note(`${tree.entries} entries, ${tree.fileBytes} bytes`)
  await killOnFolder(campaign, tree, kills)
  await killOnBucket(campaign, tree, kills)
  await killOneLarge(campaign)
})
