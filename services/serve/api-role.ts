// The role `api` of a serving process: answers from this process's projection, appends commands to the log.
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { writeReport } from '#libs/report/write'
import { isThere } from '#libs/runtime/folders'
import { openTokenBook } from '#libs/runtime/tokens'
import type { ServeParts } from './parts.ts'
import { reportContent } from './reports.ts'

const cursorKeyBytes = 32

/** Kept, so that a page asked for before a restart can be followed by the next one after it. */
async function cursorKeyOf(stateFolder: string): Promise<Buffer> {
  const path = join(stateFolder, 'cursor.key')
  if (!(await isThere(path))) await writeFile(path, randomBytes(cursorKeyBytes), { mode: 0o600 })
  const key = await readFile(path)
  if (key.length !== cursorKeyBytes) throw new WaybillError('CONFIG_INVALID', { path, problem: 'it is no key' })
  return key
}

/** Listens until it is closed. `inflightBytes`: payload held by the workers of this process; null: it has none. Throws API_NOT_STARTED, CONFIG_INVALID. */
export async function startApiRole(
  parts: ServeParts,
  inflightBytes: (() => number) | null,
): Promise<{ close(): Promise<void> }> {
  const { settings, projection, log, clock, logger, process } = parts
  const { startApi } = await import('../api/api.ts')
  const { host, port, tokensFile, webhook } = settings.api
  const api = await startApi({
    projection,
    writer: parts.writer,
    log,
    partitionCounts: parts.counts,
    clock,
    logger: logger.child({ role: 'api' }),
    connections: settings.connections,
    listen: { host, port },
    tokens: (await isThere(tokensFile)) ? await openTokenBook(tokensFile, clock) : null,
    localActor: 'local user',
    software: parts.software,
    process,
    cursorKey: await cursorKeyOf(settings.stateFolder),
    reports: {
      writeMaster: async (job, sink) => {
        const row = await projection.rows.get(keyOf.job(job))
        if (row !== undefined) await writeReport(sink, await reportContent(parts, job, row))
      },
    },
    scratchFolder: join(settings.stateFolder, 'scratch'),
    inflightBytes,
    webhook: webhook === null ? null : { ...webhook, stateFile: join(settings.stateFolder, 'webhook.json') },
  })
  return api
}
