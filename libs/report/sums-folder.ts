// A folder with everything that is needed to check the stored bytes without waybill.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { checkScript } from './check-script.ts'
import { writeWholeFile } from './output.ts'
import { type WrittenSums, writeSums } from './sums.ts'

export const sumsFileNames = { sums: 'SHA256SUMS', chunkSums: 'CHUNKSUMS', script: 'check.py' } as const

/** Writes SHA256SUMS, CHUNKSUMS and check.py of the report at `path` into `folder`. Throws REPORT_INVALID, REPORT_NOT_WRITTEN. */
export async function writeSumsFolder(folder: string, path: string): Promise<WrittenSums> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw new WaybillError('REPORT_NOT_WRITTEN', { path: folder }, { cause })
  }
  await writeWholeFile(join(folder, sumsFileNames.script), async (sink) => {
    await sink.write(checkScript)
  })
  return await writeWholeFile(join(folder, sumsFileNames.sums), (sums) =>
    writeWholeFile(join(folder, sumsFileNames.chunkSums), (chunkSums) => writeSums({ sums, chunkSums }, path)),
  )
}
