// A folder with everything that is needed to check the stored bytes without waybill.
import { join } from 'node:path'
import { checkScript } from './check-script.ts'
import { makeReportFolder, writeWholeFile } from './output.ts'
import { type WrittenSums, writeSums } from './sums.ts'

export const sumsFileNames = { sums: 'SHA256SUMS', chunkSums: 'CHUNKSUMS', script: 'check.py' } as const

/** Writes SHA256SUMS, CHUNKSUMS and check.py of the report at `path` into `folder`. Throws REPORT_INVALID, REPORT_NOT_WRITTEN. */
export async function writeSumsFolder(folder: string, path: string): Promise<WrittenSums> {
  await makeReportFolder(folder, 0o777)
  await writeWholeFile(join(folder, sumsFileNames.script), async (sink) => {
    await sink.write(checkScript)
  })
  return await writeWholeFile(join(folder, sumsFileNames.sums), (sums) =>
    writeWholeFile(join(folder, sumsFileNames.chunkSums), (chunkSums) => writeSums({ sums, chunkSums }, path)),
  )
}
