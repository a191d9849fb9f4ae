// Several serving processes over one memory log and a virtual clock, with memberships that the test hands out.
import { join } from 'node:path'
import type { EventLog } from '#libs/log/event-log'
import type { GroupRole, Membership } from '#libs/log/membership'
import { openMemoryLog } from '#libs/log/memory-log'
import type { ClusterSettings, RoleName } from '#libs/runtime/cluster-settings'
import { silentLogger } from '#libs/runtime/logger'
import { openMemorySource } from '#libs/source/memory-source'
import { MemoryTree } from '#libs/source/memory-tree'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import { openMemoryTarget } from '#libs/target/memory-target'
import { runServe } from '#services/serve/serve'
import { KiB } from '../../support/memory-migration.ts'
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts'

/** Shares out the partitions of one role among the processes that joined, evenly, as a group would. */
class MemoryGroup {
  readonly #partitions: number
  readonly #members = new Map<string, { assigned: ReadonlySet<number>; generation: number; wake: () => void }>()

  constructor(partitions: number) {
    this.#partitions = partitions
  }

  join(name: string): Membership {
    const member = { assigned: new Set<number>() as ReadonlySet<number>, generation: 0, wake: (): void => undefined }
    this.#members.set(name, member)
    this.#share()
    return {
      assigned: () => member.assigned,
      generation: () => member.generation,
      changed: (since, signal) =>
        member.generation > since
          ? Promise.resolve()
          : new Promise((resolve, reject) => {
              member.wake = resolve
              signal.addEventListener('abort', () => reject(signal.reason), { once: true })
            }),
      isCurrent: () => this.#members.get(name) === member,
      failed: new Promise(() => undefined),
      leave: async () => this.lose(name),
    }
  }

  lose(name: string): void {
    if (this.#members.delete(name)) this.#share()
  }

  #share(): void {
    const members = [...this.#members.values()]
    for (const [index, member] of members.entries()) {
      const own = Array.from({ length: this.#partitions }, (_, partition) => partition)
      member.assigned = new Set(own.filter((partition) => partition % members.length === index))
      member.generation += 1
      member.wake()
    }
  }
}

/** A job that asks for it has a target of its own; all others share one. */
export const ownTarget = 'memory:own'

export interface MemoryCluster {
  readonly clock: VirtualClock
  readonly log: EventLog
  readonly tree: MemoryTree
  readonly target: ReturnType<typeof openMemoryTarget>
  readonly counts: { readonly jobs: number; readonly chunks: number }
  /** Starts a process; `stop` ends it cleanly, `lose` takes its shares away while it goes on. */
  start(
    instance: string,
    roles: readonly RoleName[],
    store?: StateStore,
  ): { stop(): Promise<void>; lose(): void; done: Promise<void> }
}

/** `folder`: where the processes keep their reports. */
export function createMemoryCluster(
  folder: string,
  partitions: { readonly jobs: number; readonly chunks: number },
): MemoryCluster {
  const clock = createVirtualClock()
  const tree = new MemoryTree()
  const source = openMemorySource(tree)
  const target = openMemoryTarget()
  const { jobs, chunks } = partitions
  const log = openMemoryLog({ partitionCounts: { jobs, listings: jobs, rates: jobs, chunks } })
  const groups: Readonly<Record<GroupRole, MemoryGroup>> = {
    coordinator: new MemoryGroup(jobs),
    worker: new MemoryGroup(chunks),
    verifier: new MemoryGroup(chunks),
  }
  const ownTargets = new Map<string, ReturnType<typeof openMemoryTarget>>()
  const ownTargetOf = (job: string): ReturnType<typeof openMemoryTarget> => {
    const own = ownTargets.get(job) ?? openMemoryTarget()
    ownTargets.set(job, own)
    return own
  }
  let lives = 0
  const settings = (instance: string, roles: readonly RoleName[]): ClusterSettings =>
    ({
      roles,
      instance,
      stateFolder: join(folder, instance),
      memoryBytes: 1024 * KiB,
      requestsMax: 4,
      chunksMax: 2,
      sourceRateBytesPerSecond: null,
    }) as unknown as ClusterSettings
  return {
    clock,
    log,
    tree,
    target,
    counts: partitions,
    start(instance, roles, store = openMemoryStore()) {
      lives += 1
      const stop = new AbortController()
      const done = runServe({
        settings: settings(instance, roles),
        log,
        store,
        join: async (role) => groups[role].join(instance),
        openEnds: async (job, request) => {
          const own = request.target === ownTarget ? ownTargetOf(job) : target
          return { source, target: own, readTarget: own }
        },
        refusalOf: (request) => (request.source.startsWith('memory:') ? null : 'LOCATION_REFUSED'),
        signingKey: null,
        clock,
        random: () => 0.5,
        logger: silentLogger,
        software: 'test',
        incarnation: String(lives),
        onStuck: () => undefined,
        signal: stop.signal,
      })
      return {
        done,
        lose: () => {
          for (const group of Object.values(groups)) group.lose(instance)
        },
        stop: async () => {
          stop.abort(new Error('stopped by the test'))
          await done
        },
      }
    },
  }
}
