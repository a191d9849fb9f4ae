// waybill explain JOB PATH: the whole history of one item, from the log.
import { WaybillError } from '#libs/domain/errors'
import { readShownName } from '#libs/domain/name-text'
import { type ItemHistory, readItemHistory } from '#libs/projection/item-history'
import { createEvidenceReader, type ItemContext } from '#libs/projection/item-reader'
import { acceptedRow } from '../../embedded/job-view.ts'
import type { Command } from '../command.ts'
import { explainObject, explainText } from '../explain-text.ts'
import { asOfText, jobNamed, viewJob } from '../jobs.ts'

/** What a typed path may mean: a name as reports show it, and the bytes as they are. */
function namesOf(path: string): readonly Buffer[] {
  const plain = path.replace(/^(\.\/)+/, '').replace(/\/+$/, '')
  const shown = readShownName(plain)
  const raw = Buffer.from(plain)
  return shown === null || raw.equals(shown) ? [raw] : [Buffer.from(shown), raw]
}

async function findHistory(context: ItemContext, path: string, signal: AbortSignal): Promise<ItemHistory> {
  for (const name of namesOf(path)) {
    const history = await readItemHistory(context, name, signal)
    if (history !== null) return history
  }
  throw new WaybillError('ITEM_UNKNOWN', { job: context.job, path })
}

export const explain: Command = async (input) => {
  const { words, settings, terminal, signal } = input
  const [job = '', path = ''] = words
  const view = await viewJob(input, jobNamed(job))
  try {
    acceptedRow(view)
    const context: ItemContext = { rows: view.rows, log: view.log, job }
    const history = await findHistory(context, path, signal)
    const evidence = await createEvidenceReader(context).of(history.current)
    const explanation = { job, history, evidence, asOf: asOfText(view) }
    await terminal.result(settings.json ? `${JSON.stringify(explainObject(explanation))}\n` : explainText(explanation))
    return 0
  } finally {
    await view.close()
  }
}
