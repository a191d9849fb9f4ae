// A whole migration on memory adapters and a virtual clock: the production roles, unchanged.

import type { EventLog } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import { silentLogger } from '#libs/runtime/logger'
import { openMemorySource } from '#libs/source/memory-source'
import { MemoryTree } from '#libs/source/memory-tree'
import type { SourceEntry } from '#libs/source/source'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import { openMemoryTarget } from '#libs/target/memory-target'
import type { JobRequest } from '#schemas/records'
import { type MigrationEnd, runMigration } from '#services/embedded/migration'
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts'

export const KiB = 1024
export const smallRequest: JobRequest = {
  source: 'memory:source',
  target: 'memory:target',
  targetOptions: {},
  layout: 'objects',
  chunkBytes: 64 * KiB,
  rules: [],
  filesFromDigest: null,
  sizeBytesMin: null,
  sizeBytesMax: null,
  modifiedAfterMs: null,
  symlinks: 'keep',
  storesEntries: true,
  overwrite: 'never',
  verify: 'full',
  samplePercent: 100,
  reconcile: 'listing',
  throughputBytesPerSecond: null,
  throughputTimetable: null,
  sourcePeakBytesPerSecond: null,
  workersMax: null,
  priority: 'normal',
  errorsMax: null,
}

export interface MemoryWorld {
  readonly tree: MemoryTree
  readonly target: ReturnType<typeof openMemoryTarget>
  readonly log: EventLog
  readonly store: StateStore
  readonly clock: VirtualClock
  run(options?: {
    aim?: 'migrate' | 'verify'
    request?: JobRequest
    store?: StateStore
    signal?: AbortSignal
    selects?: (entry: SourceEntry) => boolean
  }): Promise<MigrationEnd>
}

export function createMemoryWorld(partitions = 1): MemoryWorld {
  const clock = createVirtualClock()
  const tree = new MemoryTree()
  const source = openMemorySource(tree)
  const target = openMemoryTarget()
  const log = openMemoryLog({ partitionCounts: { jobs: 1, listings: 1, rates: 1, chunks: partitions } })
  const store = openMemoryStore()
  let runs = 0
  return {
    tree,
    target,
    log,
    store,
    clock,
    run(options = {}) {
      runs += 1
      return clock.run(
        runMigration({
          job: 'job',
          request: options.request ?? smallRequest,
          aim: options.aim ?? 'migrate',
          actor: 'test',
          log,
          store: options.store ?? store,
          source,
          target,
          readTarget: target,
          selects: options.selects ?? (() => true),
          clock,
          random: () => 0.5,
          logger: silentLogger,
          process: `process-${runs}`,
          software: 'test',
          memoryBytes: 1024 * KiB,
          requestsMax: 4,
          chunksMax: 4,
          onBytes: () => undefined,
          onStarted: () => undefined,
          signal: options.signal ?? new AbortController().signal,
        }),
        3_600_000,
      )
    },
  }
}
