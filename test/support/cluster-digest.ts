// The digest of the state that a log on brokers leads to, folded from its first record into memory.

import type { EventLog } from '#libs/log/event-log'
import { openKafkaLog } from '#libs/log/kafka/kafka-log'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { openProjection } from '#libs/projection/projection'
import { stateDigest } from '#libs/projection/state-digest'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { openMemoryStore } from '#libs/store/memory-store'

const foldMsMax = 300_000

/** A value that decodes as nothing, under a key that names no job: it moves the position and no row of the digest. */
const nothing = { key: Buffer.alloc(0), value: null }

/** @param places `TOPIC/PARTITION/POSITION` of the records that are left out. */
export async function digestWithout(
  brokers: readonly string[],
  topicPrefix: string,
  places: ReadonlySet<string> = new Set(),
): Promise<string> {
  const address = { brokers, topicPrefix, clientId: 'digest', logger: silentLogger, clock: systemClock }
  const log = await openKafkaLog(address)
  const filtered: EventLog = {
    partitionCounts: () => log.partitionCounts(),
    append: (records) => log.append(records),
    ends: () => log.ends(),
    readAt: (topic, partition, position) => log.readAt(topic, partition, position),
    close: () => log.close(),
    async *read(from, signal) {
      for await (const records of log.read(from, signal)) {
        yield records.map((record) => {
          const isLeftOut = places.has(`${record.topic}/${record.partition}/${record.position}`)
          return isLeftOut ? { ...record, ...nothing } : record
        })
      }
    },
  }
  try {
    const store = openMemoryStore()
    await foldToEnd(await openProjection(filtered, store), AbortSignal.timeout(foldMsMax))
    return await stateDigest(store)
  } finally {
    await log.close()
  }
}
