// The report proves what it says: no byte of it can change unseen, and its sums pass with programs that are not ours.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { runPython, runTool } from '../support/foreign-tools.ts'
import { makeHostileTree } from '../support/hostile-tree.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type ProcessPlace, runObjectOf, runWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024

interface Stage {
  readonly place: ProcessPlace
  readonly target: string
  /** Forms that can be checked, each signed and unsigned. */
  readonly reports: readonly string[]
  readonly publicKey: string
}

async function mustEndWith0(words: readonly string[], place: ProcessPlace): Promise<string> {
  const { code, output, notices } = await runWaybill(words, place)
  if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}: ${notices}${output.slice(0, 1000)}`)
  return output
}

async function makeReports(campaign: Campaign): Promise<Stage> {
  const home = join(campaign.folder, 'home')
  const [source, target] = [join(campaign.folder, 'source'), join(campaign.folder, 'target')]
  mkdirSync(home)
  const place = { home }
  makeHostileTree(source, { seed: `${campaign.seed}`, largestBytes: 130 * MiB })
  const run = runObjectOf(await runWaybill(['migrate', source, target, '--job', 'report', '--json', '-q'], place))
  if (run.exit_code !== 0) throw new Error(`migrate ended with ${run.exit_code}`)
  const key = join(home, 'key')
  await mustEndWith0(['keygen', key, '-q'], place)
  const reports: string[] = []
  for (const form of ['ndjson', 'json']) {
    for (const isSigned of [false, true]) {
      const path = join(home, `${isSigned ? 'signed' : 'unsigned'}.${form}`)
      const signing = isSigned ? ['--sign', key] : []
      await mustEndWith0(['report', 'show', 'report', '--format', form, '--output', path, ...signing, '-q'], place)
      reports.push(path)
    }
  }
  return { place, target, reports, publicKey: `${key}.pub` }
}

const keyWords = (path: string, publicKey: string): readonly string[] =>
  path.includes('/signed.') ? ['--public-key', publicKey] : []

async function checkWhole(campaign: Campaign, { reports, place, publicKey }: Stage): Promise<void> {
  for (const path of reports) {
    const { code } = await runWaybill(['report', 'verify', path, ...keyWords(path, publicKey), '--json'], place)
    const check = runPython('report-check.py', [path])
    campaign.promise(`${path.split('/').at(-1)}: is valid to us and to a program that shares no code with us`, {
      holds: code === 0 && check.code === 0,
      figures: `exit ${code}; ${check.output.trim()}`,
    })
  }
}

/** Another byte at a random place, each time in a fresh copy. */
async function changeBytes(campaign: Campaign, { reports, place, publicKey }: Stage): Promise<void> {
  const changes = campaign.isQuick ? 20 : 200
  const changed = join(campaign.folder, 'changed')
  const missed: string[] = []
  let foreignCaught = 0
  for (let index = 0; index < changes; index += 1) {
    const path = reports[index % reports.length] ?? ''
    const bytes = readFileSync(path)
    const at = integerBetween(campaign.random, 0, bytes.length - 1)
    const before = bytes.readUInt8(at)
    // One bit, or any other byte: a digit for a digit among them.
    const after = index % 3 === 0 ? before ^ (1 << integerBetween(campaign.random, 0, 7)) : otherByte(campaign, before)
    bytes.writeUInt8(after, at)
    const copy = `${changed}.${path.split('.').at(-1)}`
    writeFileSync(copy, bytes)
    const { code } = await runWaybill(['report', 'verify', copy, ...keyWords(path, publicKey), '-q'], place)
    if (code !== 11) missed.push(`${path} byte ${at} ${before} -> ${after}: exit ${code}`)
    if (runPython('report-check.py', [copy]).code === 1) foreignCaught += 1
  }
  campaign.promise(`each of ${changes} changes of one byte is found by report verify, exit 11`, {
    holds: missed.length === 0,
    figures: `${changes - missed.length} of ${changes} found (report-check.py, which checks no signatures: ${foreignCaught}) ${missed.slice(0, 3).join('; ')}`,
  })
}

function otherByte(campaign: Campaign, before: number): number {
  const isDigit = before >= 0x30 && before <= 0x39
  const after = isDigit ? 0x30 + integerBetween(campaign.random, 0, 9) : integerBetween(campaign.random, 0, 255)
  return after === before ? before ^ 1 : after
}

async function checkSums(campaign: Campaign, { target, place }: Stage): Promise<void> {
  const sums = join(campaign.folder, 'sums')
  await mustEndWith0(['report', 'show', 'report', '--format', 'sha256sums', '--output', sums, '-q'], place)
  const lines = (name: string): number => readFileSync(join(sums, name), 'latin1').split('\n').length - 1
  const whole = runTool('sha256sum', ['--strict', '--quiet', '-c', join(sums, 'SHA256SUMS')], { cwd: target })
  campaign.promise('sha256sum -c SHA256SUMS passes on the target', {
    holds: whole.code === 0 && lines('SHA256SUMS') > 0,
    figures: `${lines('SHA256SUMS')} files, exit ${whole.code} ${(whole.output + whole.errors).slice(-400)}`,
  })
  const chunked = runTool('python3', [join(sums, 'check.py'), join(sums, 'CHUNKSUMS'), target])
  campaign.promise('check.py CHUNKSUMS passes on the target', {
    holds: chunked.code === 0 && lines('CHUNKSUMS') > 0,
    figures: `${lines('CHUNKSUMS')} chunks, exit ${chunked.code} ${(chunked.output + chunked.errors).trim().split('\n').at(-1)}`,
  })
}

await runCampaign('report', async (campaign) => {
  const stage = await makeReports(campaign)
  await checkWhole(campaign, stage)
  await checkSums(campaign, stage)
  await changeBytes(campaign, stage)
})
