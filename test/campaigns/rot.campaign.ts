// Bytes that change at rest: `verify` names item and chunk, `migrate` repairs only what is bad, others find it whole.
import { closeSync, copyFileSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { compareFolders, runTool } from '../support/foreign-tools.ts'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { startTestBucket, type TestBucket } from '../support/s3-bucket.ts'
import { seededBytes } from '../support/seeded-bytes.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type ProcessPlace, runObjectOf, runWaybill } from '../support/waybill-process.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const chunkBytes = 64 * MiB
const rottenBytes = 4

interface Rot {
  readonly offset: number
  readonly chunk: number
}

/** Changes four bytes in the middle of a file, past whoever wrote it; size and times of the name stay. */
function rot(campaign: Campaign, path: string, size: number): Rot {
  const offset = integerBetween(campaign.random, 0, size - rottenBytes)
  const fd = openSync(path, 'r+')
  const bytes = Buffer.alloc(rottenBytes)
  readSync(fd, bytes, 0, rottenBytes, offset)
  for (let index = 0; index < rottenBytes; index += 1) bytes.writeUInt8(bytes.readUInt8(index) ^ 0xff, index)
  writeSync(fd, bytes, 0, rottenBytes, offset)
  closeSync(fd)
  return { offset, chunk: Math.floor(offset / chunkBytes) }
}

interface Stage {
  readonly name: string
  readonly source: string
  readonly size: number
  readonly target: string
  readonly words: readonly string[]
  readonly place: ProcessPlace
  /** The stored file of the large item. */
  readonly stored: string
}

function makeSource(campaign: Campaign): { readonly source: string; readonly size: number } {
  const source = join(campaign.folder, 'source')
  const size = campaign.isQuick ? 192 * MiB : GiB
  mkdirSync(source)
  writeStampedFile(join(source, 'large'), `${campaign.seed}`, size)
  for (let index = 0; index < 20; index += 1) {
    const fd = openSync(join(source, `small-${index}`), 'wx')
    writeSync(fd, seededBytes(`${campaign.seed} ${index}`, 16 * KiB))
    closeSync(fd)
  }
  return { source, size }
}

/** Migrates, rots, and asks `verify`, which must name the item and the range that holds the changed bytes. */
async function findRot(campaign: Campaign, stage: Stage): Promise<Rot> {
  const { name, source, target, words, place, stored, size } = stage
  const first = runObjectOf(
    await runWaybill(['migrate', source, target, ...words, '--job', 'rot', '--json', '-q'], place),
  )
  if (first.exit_code !== 0) throw new Error(`${name}: migrate ended with ${first.exit_code}`)
  const rotten = rot(campaign, stored, size)
  const end = await runWaybill(['verify', 'rot', ...words, '--json', '--progress', 'none'], place)
  const found = runObjectOf(end)
  const range = `${rotten.chunk * chunkBytes}`
  const namesIt = end.notices.includes('large') && end.notices.replaceAll(',', '').includes(range)
  campaign.promise(`${name}: verify ends with 5 and names the item and the chunk`, {
    holds: found.exit_code === 5 && found.items.mismatched === 1 && namesIt,
    figures: `${rottenBytes} bytes changed at ${rotten.offset} (chunk ${rotten.chunk}); exit ${found.exit_code}, ${JSON.stringify(found.items)}; said: ${end.notices.split('\n').slice(0, 6).join(' | ').slice(0, 700)}`,
  })
  return rotten
}

async function repairOnBucket(
  campaign: Campaign,
  bucket: TestBucket,
  made: { source: string; size: number },
): Promise<void> {
  const home = join(campaign.folder, 's3-home')
  mkdirSync(home)
  const place = { home, environment: bucket.environment }
  const stored = join(bucket.server.objectsFolder ?? '', bucket.bucket, bucket.prefix, 'large')
  const stage: Stage = { name: 'versitygw', ...made, target: bucket.location, words: bucket.words, place, stored }
  await findRot(campaign, stage)
  bucket.proxy.reset()
  const words = ['migrate', stage.source, stage.target, ...stage.words, '--job', 'rot', '--json', '-q']
  const run = runObjectOf(await runWaybill(words, place))
  const { put, part, copy, probe } = bucket.proxy.traffic
  const parts = Math.ceil(stage.size / chunkBytes)
  campaign.promise('versitygw: migrate repairs it with one part sent and the rest copied inside the store', {
    holds:
      run.exit_code === 0 &&
      put.bodyBytesIn + part.bodyBytesIn <= chunkBytes &&
      copy.requests === parts - 1 &&
      part.requests === 1,
    figures: `exit ${run.exit_code}; ${put.bodyBytesIn + part.bodyBytesIn} body bytes sent (and ${probe.bodyBytesIn} to probe the store), ${part.requests} UploadPart, ${copy.requests} part copies of ${parts} parts; ${run.source_bytes_read} bytes read at the source`,
  })
  const { code, output, errors } = runTool('cmp', [join(stage.source, 'large'), stored])
  const open = await bucket.openUploads()
  campaign.promise('versitygw: cmp finds the object whole again, no upload is left open', {
    holds: code === 0 && open === 0,
    figures: `${stage.size} bytes, exit ${code} ${output}${errors}, ${open} open`,
  })
}

async function repairOnFolder(campaign: Campaign, made: { source: string; size: number }): Promise<void> {
  const home = join(campaign.folder, 'folder-home')
  const target = join(campaign.folder, 'folder-target')
  mkdirSync(home)
  const stage: Stage = { name: 'folder', ...made, target, words: [], place: { home }, stored: join(target, 'large') }
  await findRot(campaign, stage)
  const run = runObjectOf(await runWaybill(['migrate', stage.source, target, '--job', 'rot', '--json', '-q'], { home }))
  campaign.promise('folder: migrate repairs it and reads only the bad chunk at the source', {
    holds: run.exit_code === 0 && run.source_bytes_read <= chunkBytes,
    figures: `exit ${run.exit_code}; ${run.source_bytes_read} bytes read at the source, ${run.target_bytes_written} written, ${run.target_bytes_read} read back`,
  })
  const differences = compareFolders(stage.source, target)
  campaign.promise('folder: diff and find agree again', {
    holds: differences.length === 0,
    figures: `${differences.length} differences ${differences.slice(0, 3).join('; ')}`,
  })
}

/** A whole small item that rots is repaired as well, and what nobody may have touched stays as it is. */
async function repairSmall(campaign: Campaign, made: { source: string; size: number }): Promise<void> {
  const home = join(campaign.folder, 'small-home')
  const target = join(campaign.folder, 'small-target')
  const source = join(campaign.folder, 'small-source')
  mkdirSync(home)
  mkdirSync(source)
  for (let index = 0; index < 20; index += 1)
    copyFileSync(join(made.source, `small-${index}`), join(source, `small-${index}`))
  const words = ['migrate', source, target, '--job', 'small', '--json', '-q']
  runObjectOf(await runWaybill(words, { home }))
  rot(campaign, join(target, 'small-7'), 16 * KiB)
  const found = runObjectOf(await runWaybill(['verify', 'small', '--json', '-q'], { home }))
  const repaired = runObjectOf(await runWaybill(words, { home }))
  const differences = compareFolders(source, target)
  campaign.promise('folder: one rotten file of twenty is found and is the only one moved again', {
    holds:
      found.exit_code === 5 &&
      found.items.mismatched === 1 &&
      repaired.exit_code === 0 &&
      repaired.source_bytes_read === 16 * KiB &&
      differences.length === 0,
    figures: `verify ${found.exit_code} ${JSON.stringify(found.items)}, migrate ${repaired.exit_code}, ${repaired.source_bytes_read} bytes read, ${differences.length} differences`,
  })
}

await runCampaign('rot', async (campaign) => {
  const made = makeSource(campaign)
  await repairSmall(campaign, made)
  await repairOnFolder(campaign, made)
  const bucket = await startTestBucket('versitygw', campaign.folder)
  try {
    await repairOnBucket(campaign, bucket, made)
  } finally {
    await bucket.stop()
  }
})
