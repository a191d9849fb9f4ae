// Records of another log (one over Kafka, say) written out as segments: they keep their positions, gaps included, so that
// whoever reads the copy sees the same places.
import { strict as assert } from 'node:assert'
import { batchRecordsMax, type LogRecord } from '#libs/log/event-log'
import { idOf, type PartitionCounts } from '#libs/log/record-rules'
import { logError } from './log-error.ts'
import { recordBytes } from './record-format.ts'
import { listSegments } from './segment-chain.ts'
import { segmentName } from './segment-header.ts'
import { startWriter } from './segment-log.ts'
import { readHeader } from './segment-opening.ts'

/** What waits to be written together. */
const waitingBytesMax = 8 * 1024 * 1024

/**
 * Writes the records into a new log, in the order in which they come; of each partition the positions must rise.
 * @returns how many records were written. @throws WaybillError LOG_FULL, LOG_WRITE_ERROR; Error when the folder holds a log.
 */
export async function exportRecords(options: {
  readonly folder: string
  readonly partitionCounts: PartitionCounts
  readonly records: AsyncIterable<LogRecord>
}): Promise<number> {
  const { folder, partitionCounts, records } = options
  const { chain, writer } = await startWriter({ folder, partitionCounts })
  try {
    assert(chain.end.sequence === 0, `there is a log in ${folder}`)
    let waiting: LogRecord[] = []
    let bytes = 0
    const write = async (): Promise<void> => {
      const taken = waiting
      waiting = []
      bytes = 0
      await writer.append(
        taken,
        taken.map(({ position }) => position),
      )
    }
    const next = [...chain.ends]
    for await (const record of records) {
      const slot = chain.table.slotOf(record.topic, record.partition)
      assert(record.position >= (next[slot] ?? 0), `position ${record.position} of ${idOf(record)} does not rise`)
      next[slot] = record.position + 1
      waiting.push(record)
      bytes += recordBytes(record)
      if (waiting.length === batchRecordsMax || bytes >= waitingBytesMax) await write()
    }
    await write()
    return chain.end.sequence
  } catch (error) {
    throw logError(error, 'LOG_UNREACHABLE', { folder })
  } finally {
    await writer.close()
  }
}

/**
 * The numbers of partitions that a log in a folder was made with; null where there is none yet.
 * @throws WaybillError LOG_DAMAGED, LOG_NEWER, LOG_UNREACHABLE
 */
export async function storedPartitionCounts(folder: string): Promise<PartitionCounts | null> {
  try {
    const [first] = await listSegments(folder)
    if (first === undefined) return null
    // A head that a crash cut short is none yet, however long it was to be.
    return (await readHeader(folder, segmentName(first), Number.POSITIVE_INFINITY))?.counts ?? null
  } catch (error) {
    throw logError(error, 'LOG_UNREACHABLE', { folder })
  }
}
