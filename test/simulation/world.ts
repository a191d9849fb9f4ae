// One seed's world: clock, source, target, log and what goes wrong between them. Processes come and go in it (process.ts).
import { createHash } from 'node:crypto'
import type { EventLog, LogRecord, NewRecord } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import { createVirtualClock, type VirtualClock } from '#test/support/virtual-clock'
import { Chance } from './chance.ts'
import { commandRecord } from './commands.ts'
import { EventCheck } from './event-check.ts'
import { forgeStale } from './forgery.ts'
import { drawScenario, type Scenario } from './scenario.ts'
import { SourceSide } from './source-side.ts'
import { TargetSide } from './target-side.ts'
import type { Violation } from './violation.ts'

export interface WorldOptions {
  /** Keeps a line for each event and fault. */
  readonly isTraced?: boolean
  readonly isSmall?: boolean
}

export class World {
  readonly chance: Chance
  readonly scenario: Scenario
  readonly clock: VirtualClock = createVirtualClock()
  readonly source: SourceSide
  readonly target: TargetSide
  readonly check: EventCheck
  readonly violations: Violation[] = []
  readonly strikes = new Map<string, number>()
  readonly trace: string[] = []
  readonly records: LogRecord[] = []
  /** No faults any more. */
  isCalm = false
  /** When a person paused the job, while it is paused; and when something last took long. */
  pausedAtMs: number | null = null
  stalledAtMs = Number.NEGATIVE_INFINITY
  /** A copy of some process's store at some moment. */
  olderStore: StateStore | null = null
  readonly #log: EventLog
  readonly #history = createHash('sha256')
  readonly #isTraced: boolean
  #tick = 0
  #commands = 0
  #forgeries = 0

  constructor(seed: number, { isTraced = false, isSmall = false }: WorldOptions) {
    this.#isTraced = isTraced
    this.chance = new Chance(seed)
    this.scenario = drawScenario(seed, this.chance, isSmall)
    this.source = new SourceSide(this.scenario, this.chance)
    this.target = new TargetSide(this.scenario, this.chance, {
      tick: () => {
        this.#tick += 1
        return this.#tick
      },
      say: (violation) => this.violate(violation),
    })
    this.target.target.store.faults = ({ operation }) => {
      if (!this.isFaulty() || !this.chance.happens(this.scenario.callChance)) return null
      const fault = this.target.drawFault(operation)
      if (fault !== null)
        this.strike(
          fault.kind === 'flips' ? 'flip on the way' : fault.acts ? 'lost answer' : 'failed request',
          `${operation} ${fault.kind === 'flips' ? '' : fault.code}`,
        )
      return fault
    }
    const partitionCounts = { jobs: 1, listings: 1, rates: 1, chunks: this.scenario.chunkPartitions }
    this.#log = openMemoryLog({ partitionCounts, random: this.chance.random })
    this.check = new EventCheck({
      source: this.source,
      target: this.target,
      say: (violation) => this.violate(violation),
    })
    this.#addStrangers()
  }

  get log(): EventLog {
    return this.#log
  }

  isFaulty(): boolean {
    return !this.isCalm && this.clock.monotonic() < this.scenario.faultMsMax
  }

  violate(violation: Violation): void {
    this.say(`VIOLATION ${violation.invariant} ${violation.text}`)
    this.violations.push(violation)
  }

  strike(kind: string, detail = ''): void {
    this.strikes.set(kind, (this.strikes.get(kind) ?? 0) + 1)
    this.say(`fault: ${kind} ${detail}`)
  }

  say(line: string): void {
    if (this.#isTraced) this.trace.push(`${this.clock.monotonic().toFixed(0).padStart(8)} ${line}`)
  }

  /** SHA-256 over all records in the order of the appends. */
  historyDigest(): string {
    return this.#history.copy().digest('hex')
  }

  /** Appends for real: every record is checked as it lands. */
  async append(records: readonly NewRecord[], by: string): Promise<readonly number[]> {
    const positions = await this.#log.append(records)
    for (const [index, record] of records.entries()) {
      const landed = { ...record, position: positions[index] as number }
      this.#tick += 1
      this.records.push(landed)
      const { topic, partition, position, key, value } = landed
      this.#history
        .update(`${topic}/${partition}@${position}|`)
        .update(key)
        .update(value ?? '')
      const verdict = this.check.observe(landed, this.#tick)
      this.#notePause()
      this.say(`${by} ${topic}/${partition}@${position} ${key.toString()} ${verdict}`)
    }
    return positions
  }

  #notePause(): void {
    const isPaused = this.check.model.isPaused
    if (!isPaused) this.pausedAtMs = null
    else this.pausedAtMs ??= this.clock.monotonic()
  }

  /** Surroundings: called at each call of a port, and now and then something happens. */
  async surround(): Promise<void> {
    const { chance, scenario } = this
    if (!this.isFaulty() || !chance.happens(scenario.aroundChance)) return
    const kind = chance.weighted({ source: 5, target: 5, duplicate: 4, forged: 4, command: 1 })
    switch (kind) {
      case 'source':
        this.strike('source changed', this.source.change())
        break
      case 'target':
        this.strike('target disturbed', this.target.disturb(this.source.files()))
        break
      case 'duplicate':
        await this.#duplicate()
        break
      case 'forged':
        await this.#forge()
        break
      case 'command': {
        // Nobody commands a job that is not accepted yet.
        if (this.check.model.pass === 0) return
        this.#commands += 1
        const record = commandRecord(chance, this.#commands)
        this.strike('command', record.key.toString())
        await this.append([record], 'person')
        break
      }
    }
  }

  async #duplicate(): Promise<void> {
    if (this.records.length === 0) return
    const { chance } = this
    const from = chance.happens(0.5) ? Math.max(0, this.records.length - 20) : 0
    const record = this.records[chance.between(from, this.records.length - 1)] as LogRecord
    this.strike('duplicate', record.key.toString())
    await this.append([record], 'duplicate')
  }

  async #forge(): Promise<void> {
    this.#forgeries += 1
    const record = forgeStale(this.chance, this.check.model, this.#forgeries)
    if (record === null) return
    this.strike('stale event', record.key.toString())
    await this.append([record], 'zombie')
  }

  /** Strangers' objects that stand there from the start: some equal to the source, some of its size, some not. */
  #addStrangers(): void {
    for (let count = 0; count < this.scenario.strangers; count += 1) {
      const name = this.chance.pick(this.source.files())
      const bytes = this.source.tree.nodeOf(Buffer.from(name, 'latin1'))?.bytes ?? Buffer.alloc(0)
      const kind = this.chance.weighted({ equal: 2, size: 2, other: 2 })
      this.target.addStranger(name, kind === 'size' ? bytes.length : null, kind === 'equal' ? bytes : undefined)
    }
  }

  async keepCopy(store: StateStore): Promise<void> {
    this.olderStore = await copyStore(store)
  }
}

export async function copyStore(store: StateStore): Promise<StateStore> {
  const rows = await store.range({ from: ' ', to: '\x7f', limit: Number.POSITIVE_INFINITY })
  const copy = openMemoryStore()
  await copy.commit(rows)
  return copy
}
