// A tree with one of everything that Linux can hold, moved to a folder and to both S3 servers, and compared by others.
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, type S3ServerKind, s3ServerKinds } from '../../scripts/server-binaries.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { diffTrees, foundEntries, missingFrom, runPython, runTool, type ToolEnd } from '../support/foreign-tools.ts'
import { type HostileEntry, makeHostileTree } from '../support/hostile-tree.ts'
import { rcloneEnvironment, rcloneProgram, startTestBucket, type TestBucket } from '../support/s3-bucket.ts'
import { runObjectOf, runWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB
/** diff opens by path and cannot follow this branch from the root: it is compared from its middle. */
const deepBranch = 'path-too-long'
const deepSegments = 10

interface Tree {
  readonly source: string
  readonly manifest: readonly HostileEntry[]
}

const nameOf = ({ name }: HostileEntry): Buffer => Buffer.from(name, 'base64')

interface ReportedItem {
  readonly name: string
  readonly outcome: string
  readonly size: number
}

/** Every item of the report, whose master form has one line for each between its first and its last lines. */
function itemsOf(reportPath: string): readonly ReportedItem[] {
  const lines = readFileSync(reportPath, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line)).filter((line) => typeof line.outcome === 'string') as ReportedItem[]
}

/** Every entry of the tree stands in the report once, and a program of its own finds the totals right. */
function checkReport(campaign: Campaign, where: string, tree: Tree, reportPath: string): void {
  const items = itemsOf(reportPath)
  const names = new Set(items.map(({ name }) => name))
  const absent = tree.manifest.filter(({ name }) => !names.has(name))
  const outcomes: Record<string, number> = {}
  for (const { outcome } of items) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  const check = runPython('report-check.py', [reportPath])
  campaign.promise(`${where}: every entry is in the report once, in one outcome, and the totals add up`, {
    holds:
      names.size === items.length && items.length === tree.manifest.length && absent.length === 0 && check.code === 0,
    figures: `${items.length} lines for ${tree.manifest.length} entries ${JSON.stringify(outcomes)}; ${check.output.trim()}`,
  })
}

/** Both deep branches, from the same depth on, through open folders. */
function diffDeepBranches(tree: Tree, target: string): readonly string[] {
  const deep = tree.manifest
    .map((entry) => nameOf(entry).toString('latin1'))
    .find((name) => name.startsWith(`${deepBranch}/`) && name.split('/').length === deepSegments)
  if (deep === undefined) throw new Error('the tree has no deep branch')
  const fds = [tree.source, target].map((root) => openSync(join(root, deep), 'r'))
  const [a, b] = fds.map((fd) => `/proc/${process.pid}/fd/${fd}/`)
  try {
    return diffTrees(a ?? '', b ?? '')
  } finally {
    for (const fd of fds) closeSync(fd)
  }
}

async function moveToFolder(campaign: Campaign, tree: Tree): Promise<void> {
  const home = join(campaign.folder, 'folder-home')
  const target = join(campaign.folder, 'folder-target')
  mkdirSync(home)
  const run = runObjectOf(await runWaybill(['migrate', tree.source, target, '--json', '-q', '--job', 'tree'], { home }))
  campaign.promise('folder: migrate verifies the tree', {
    holds: run.exit_code === 0 && run.items.listed === tree.manifest.length,
    figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)}, read ${run.source_bytes_read}, written ${run.target_bytes_written}, read back ${run.target_bytes_read}`,
  })
  const specials = tree.manifest.filter(({ kind }) => kind === 'special')
  const differing = [...diffTrees(tree.source, target, [deepBranch]), ...diffDeepBranches(tree, target)]
  const unexpected = differing.filter(
    (line) =>
      !specials.some(
        (entry) => line === `Only in ${join(tree.source, 'specials')}: ${nameOf(entry).toString().split('/').at(-1)}`,
      ),
  )
  campaign.promise('folder: diff -r --no-dereference agrees', {
    holds: unexpected.length === 0 && differing.length === specials.length,
    figures: `${tree.manifest.length} entries, ${unexpected.length} differences, ${specials.length} special files not moved ${unexpected.slice(0, 3).join('; ').slice(0, 500)}`,
  })
  for (const format of ['%y %m %l %P', '%y %T@ %U %G %P']) {
    const [before, after] = [foundEntries(tree.source, format), foundEntries(target, format)]
    const missing = missingFrom(after, before).filter((line) => !line.startsWith('p ') && !line.startsWith('s '))
    const extra = missingFrom(before, after)
    campaign.promise(`folder: find -printf '${format}' agrees`, {
      holds: missing.length === 0 && extra.length === 0 && after.size === tree.manifest.length - specials.length,
      figures: `${after.size} entries, ${missing.length + extra.length} differences ${[...missing, ...extra].slice(0, 3).join('; ').slice(0, 500)}`,
    })
  }
  checkReport(campaign, 'folder', tree, run.report_path)
}

/** Names of files whose key is the name itself, by docs/keys.md as a program of its own. */
function plainNames(tree: Tree, bucket: TestBucket): readonly Buffer[] {
  const files = tree.manifest.filter(({ kind }) => kind === 'file').map(nameOf)
  const input = files.map((name) => `${bucket.prefix.length} ${name.toString('hex')}\n`).join('')
  const keys = runPython('keys.py', [], Buffer.from(input)).output.trim().split('\n')
  if (keys.length !== files.length) throw new Error(`keys.py answered ${keys.length} of ${files.length}`)
  return files.filter((name, index) => name.toString('hex') === keys[index])
}

function checkByRclone(campaign: Campaign, kind: S3ServerKind, tree: Tree, bucket: TestBucket): void {
  const program = rcloneProgram()
  if (program === null) {
    campaign.promise(`${kind}: rclone check --download agrees`, { holds: false, figures: 'rclone is not installed' })
    return
  }
  const plain = plainNames(tree, bucket)
  const list = join(campaign.folder, `${kind}-plain`)
  writeFileSync(list, Buffer.concat(plain.flatMap((name) => [name, Buffer.from('\n')])))
  const environment = rcloneEnvironment(bucket.server, join(campaign.folder, 'rclone.conf'))
  // Without it, two names that Unicode calls equal are one to rclone.
  const exact = '--no-unicode-normalization'
  const ends = [exact, '--checkers', '4', '--files-from-raw', list, tree.source, `T:${bucket.bucket}/${bucket.prefix}`]
  const rclone = (...words: readonly string[]): ToolEnd => runTool(program, [...words, ...ends], { environment })
  const { code, errors } = rclone('check', '--download', '--match', `${list}-equal`)
  const equal = readFileSync(`${list}-equal`, 'latin1').split('\n').length - 1
  campaign.promise(`${kind}: rclone check --download agrees on every item whose key needed no encoding`, {
    holds: code === 0 && equal === plain.length,
    figures: `${equal} of ${plain.length} equal, exit ${code}${code === 0 ? '' : ` ${errors.slice(-600)}`}`,
  })
  const copied = rclone('copy', '--dry-run')
  const wouldCopy = copied.errors.split('\n').filter((line) => line.includes('as --dry-run is set'))
  campaign.promise(`${kind}: rclone copy finds nothing to do: sizes and times are as it keeps them`, {
    holds: copied.code === 0 && wouldCopy.length === 0,
    figures: `exit ${copied.code}, ${wouldCopy.length} of ${plain.length} would be copied ${wouldCopy.slice(0, 5).join('; ').slice(0, 600)}`,
  })
}

async function moveToBucket(campaign: Campaign, kind: S3ServerKind, tree: Tree): Promise<void> {
  const bucket = await startTestBucket(kind, campaign.folder)
  try {
    const home = join(campaign.folder, `${kind}-home`)
    mkdirSync(home)
    const words = ['migrate', tree.source, bucket.location, ...bucket.words, '--json', '-q', '--job', 'tree']
    const run = runObjectOf(await runWaybill(words, { home, environment: bucket.environment }))
    campaign.promise(`${kind}: migrate verifies the tree`, {
      holds: run.exit_code === 0 && run.items.listed === tree.manifest.length,
      figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)}, sent ${bucket.proxy.uploadedBytes()} of ${run.bytes.listed} bytes`,
    })
    campaign.promise(`${kind}: no upload is left open`, {
      holds: (await bucket.openUploads()) === 0,
      figures: `${await bucket.openUploads()} open`,
    })
    checkReport(campaign, kind, tree, run.report_path)
    checkByRclone(campaign, kind, tree, bucket)
    await bucket.openToAnyone()
    const url = `${bucket.server.endpoint}/${bucket.bucket}`
    const check = runPython('keys-check.py', [tree.source, url, bucket.prefix])
    campaign.promise(`${kind}: a program that knows docs/keys.md alone finds every file, and nothing else`, {
      holds: check.code === 0,
      figures: `${check.output.trim().slice(0, 1000)}${check.errors.slice(-600)}`,
    })
  } finally {
    await bucket.stop()
  }
}

await runCampaign('tree', async (campaign) => {
  const source = join(campaign.folder, 'source')
  const largestBytes = campaign.isQuick ? 20 * MiB : 5 * GiB
  const tree: Tree = { source, manifest: makeHostileTree(source, { seed: `${campaign.seed}`, largestBytes }) }
  campaign.note(`${tree.manifest.length} entries, the largest of ${largestBytes} bytes`)
  await moveToFolder(campaign, tree)
  for (const kind of s3ServerKinds) {
    if (isInstalled(kind)) await moveToBucket(campaign, kind, tree)
    else campaign.promise(`${kind}: is installed`, { holds: false, figures: 'scripts/servers.ts install' })
  }
})
