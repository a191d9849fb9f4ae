// The frame of a campaign: one promise, one line with its figures; the process ends non-zero when one does not hold.
// `node --conditions=source test/campaigns/NAME.campaign.ts [--quick] [--seed N] [--parent FOLDER] [--keep]`.
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Random } from '#libs/runtime/clock'
import { seededRandom } from './seeded-random.ts'

export interface Campaign {
  /** Small sizes and few rounds: the same promises within a minute or so. */
  readonly isQuick: boolean
  readonly seed: number
  readonly random: Random
  /** Empty folder of this run; removed at the end unless a promise did not hold or --keep was given. */
  readonly folder: string
  /** Prints the promise's line; a campaign goes on after one that does not hold. */
  promise(text: string, result: { readonly holds: boolean; readonly figures: string }): void
  /** Prints a line of its own: what is about to run, what was skipped and why. */
  note(text: string): void
}

/** Beginnings of the lines that a runner gathers. */
export const resultMarks = { holds: 'HOLDS', fails: 'FAILS' } as const

function removeFolder(folder: string): void {
  // Trees may hold folders without write permission, and paths too long for Node's own calls.
  execFileSync('chmod', ['-R', 'u+rwX', '--', folder])
  execFileSync('rm', ['-rf', '--', folder])
}

/** Runs `body` and sets the exit code of the process: 0 when every promise held, 1 else. */
export async function runCampaign(name: string, body: (campaign: Campaign) => Promise<void>): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      seed: { type: 'string' },
      parent: { type: 'string', default: tmpdir() },
      keep: { type: 'boolean', default: false },
    },
  })
  const seed = values.seed === undefined ? process.pid : Number(values.seed)
  const folder = mkdtempSync(join(values.parent, `waybill-${name}-`))
  const counts = { held: 0, failed: 0 }
  console.log(`${name}: seed ${seed}${values.quick ? ', quick' : ''}, in ${folder}`)
  const campaign: Campaign = {
    isQuick: values.quick,
    seed,
    random: seededRandom(seed),
    folder,
    promise: (text, { holds, figures }) => {
      counts[holds ? 'held' : 'failed'] += 1
      const oneLine = figures.trim().replaceAll('\n', ' | ')
      console.log(`${holds ? resultMarks.holds : resultMarks.fails} ${name}: ${text}: ${oneLine}`)
    },
    note: (text) => console.log(`      ${name}: ${text}`),
  }
  try {
    await body(campaign)
  } catch (error) {
    campaign.promise('runs to its end', {
      holds: false,
      figures: error instanceof Error ? `${error.stack}` : `${error}`,
    })
  }
  if (counts.failed > 0 || values.keep) campaign.note(`kept: ${folder}`)
  else removeFolder(folder)
  console.log(`${name}: ${counts.held} held, ${counts.failed} failed, seed ${seed}`)
  process.exitCode = counts.failed === 0 ? 0 : 1
}
