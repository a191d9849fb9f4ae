// One process of a simulated world: the production migration over ports that take time, fail, and fall silent for ever once
// the process is dead. A crash at any await is a port that never answers again: what is between two calls is memory.
import { WaybillError } from '#libs/domain/errors'
import type { EventLog, LogRecord, NewRecord, Positions } from '#libs/log/event-log'
import type { Clock } from '#libs/runtime/clock'
import { silentLogger } from '#libs/runtime/logger'
import type { ItemReader, Source } from '#libs/source/source'
import type { StateStore } from '#libs/store/state-store'
import { Pace } from '#libs/target/pace'
import { retryingTarget } from '#libs/target/retrying'
import type { Target } from '#libs/target/target'
import { type MigrationEnd, runMigration } from '#services/embedded/migration'
import { job } from './scenario.ts'
import type { World } from './world.ts'

/** How a process ends, unless it ends by itself. */
export type Fate =
  | { readonly kind: 'none' }
  | { readonly kind: 'crash'; readonly afterCalls: number }
  | { readonly kind: 'stop'; readonly afterCalls: number }
  /** It lives on beside the next one, hears of everything late, and dies. */
  | { readonly kind: 'zombie'; readonly afterCalls: number; readonly lagMs: number; readonly lifeMs: number }

export type ProcessEnd =
  | { readonly kind: 'ended'; readonly end: MigrationEnd }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'crashed' }
  | { readonly kind: 'replaced' }
  /** Still at work long after the last fault. */
  | { readonly kind: 'stuck' }

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

const retryRules = { attemptsMax: 8, attemptsFew: 3, delayMsFirst: 100, delayMsMax: 5_000, elapsedMsMax: 60_000 }

export class SimulatedProcess {
  readonly name: string
  readonly store: StateStore
  isDead = false
  isReplaced = false
  readonly #world: World
  readonly #fate: Fate
  readonly #stop = new AbortController()
  #calls = 0
  #lagMs = 0
  #meet: (end: ProcessEnd) => void = () => undefined

  constructor(world: World, options: { name: string; store: StateStore; fate: Fate }) {
    this.#world = world
    this.name = options.name
    this.store = options.store
    this.#fate = options.fate
  }

  /** Runs until it ends or meets its fate. Never rejects. */
  live(aim: 'migrate' | 'verify'): Promise<ProcessEnd> {
    const fated = new Promise<ProcessEnd>((resolve) => {
      this.#meet = resolve
    })
    const ended = this.#run(aim).then(
      (end): ProcessEnd => ({ kind: 'ended', end }),
      (error: unknown): ProcessEnd => ({ kind: 'failed', error }),
    )
    return Promise.race([fated, ended])
  }

  die(): void {
    this.isDead = true
  }

  #run(aim: 'migrate' | 'verify'): Promise<MigrationEnd> {
    const world = this.#world
    const { chance } = world
    const { random } = chance
    const clock = this.#clock()
    const target = retryingTarget(this.#target(world.target.target), {
      rules: retryRules,
      pace: new Pace(clock),
      clock,
      random,
      onRetry: () => undefined,
    })
    return runMigration({
      job,
      request: world.scenario.request,
      aim,
      actor: 'simulation',
      log: this.#log(),
      store: this.#storePort(),
      source: this.#source(),
      target,
      readTarget: target,
      selects: () => true,
      clock,
      random,
      logger: silentLogger,
      process: this.name,
      software: 'test',
      memoryBytes: world.scenario.chunkBytes * chance.between(2, 6),
      requestsMax: chance.between(1, 6),
      chunksMax: chance.between(1, 4),
      onBytes: () => undefined,
      onStarted: () => undefined,
      signal: this.#stop.signal,
    })
  }

  /** One call of a port: takes time before and after, and may be the last that the process makes. */
  async #call<T>(act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.isDead) return never()
    this.#calls += 1
    const isLast = this.#fate.kind !== 'none' && this.#calls === this.#fate.afterCalls
    const diesBefore = isLast && this.#world.chance.happens(0.5)
    if (diesBefore) this.#meetFate()
    await this.#wait(signal)
    await this.#world.surround()
    if (this.isDead) return never()
    let result: T
    try {
      result = await act()
    } catch (error) {
      if (this.isDead) return never()
      throw error
    }
    if (isLast && !diesBefore) this.#meetFate()
    await this.#wait(signal)
    return this.isDead ? never() : result
  }

  #meetFate(): void {
    const fate = this.#fate
    if (!this.#world.isFaulty()) return
    switch (fate.kind) {
      case 'none':
        return
      case 'crash':
        this.#world.strike('crash', this.name)
        this.isDead = true
        this.#meet({ kind: 'crashed' })
        return
      case 'stop':
        this.#world.strike('stop', this.name)
        this.#stop.abort(new WaybillError('ABORTED'))
        return
      case 'zombie':
        this.#world.strike('zombie', `${this.name} lags ${fate.lagMs} ms`)
        this.isReplaced = true
        this.#lagMs = fate.lagMs
        void this.#world.clock.sleep(fate.lifeMs).then(() => {
          this.#world.say(`${this.name} dies at last`)
          this.die()
        })
        this.#meet({ kind: 'replaced' })
        return
    }
  }

  async #wait(signal?: AbortSignal): Promise<void> {
    const { chance, clock } = this.#world
    const ms = this.#latencyMs()
    if (ms === 0) return
    try {
      await clock.sleep(ms, signal)
    } catch (error) {
      if (this.isDead) return never()
      throw new WaybillError('ABORTED', {}, { cause: error })
    }
    if (this.isDead) return never()
    void chance
  }

  #latencyMs(): number {
    const { chance } = this.#world
    const draw = chance.random()
    if (draw < 0.4) return 0
    if (draw < 0.985 || !this.#world.isFaulty()) return chance.between(1, 20)
    if (draw < 0.9985) return chance.between(100, 2_000)
    this.#world.strike('stall', this.name)
    this.#world.stalledAtMs = this.#world.clock.monotonic()
    return chance.between(20_000, 70_000)
  }

  #clock(): Clock {
    const { clock } = this.#world
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      sleep: async (ms, signal) => {
        if (this.isDead) return never()
        try {
          await clock.sleep(ms, signal)
        } catch (error) {
          if (this.isDead) return never()
          throw error
        }
        if (this.isDead) await never()
      },
    }
  }

  #storePort(): StateStore {
    const { store } = this
    return {
      getMany: (keys) => (this.isDead ? never() : store.getMany(keys)),
      range: (range) => (this.isDead ? never() : store.range(range)),
      // A crash between the fold and its commit is a call like any other.
      commit: (changes) => this.#call(() => store.commit(changes)),
      close: () => store.close(),
    }
  }

  #log(): EventLog {
    const { log } = this.#world
    return {
      partitionCounts: () => log.partitionCounts(),
      append: (records) => this.#append(records),
      read: (from, signal) => this.#read(from, signal),
      ends: () => this.#call(() => log.ends()),
      readAt: (topic, partition, position) => (this.isDead ? never() : log.readAt(topic, partition, position)),
      close: () => Promise.resolve(),
    }
  }

  /** Tries again with the same records where the answer was lost, as writers of a log do, or gives up. */
  async #append(records: readonly NewRecord[]): Promise<readonly number[]> {
    const { chance } = this.#world
    for (;;) {
      try {
        return await this.#call(() => this.#appendOnce(records))
      } catch (error) {
        if (chance.happens(0.3)) throw error
      }
    }
  }

  async #appendOnce(records: readonly NewRecord[]): Promise<readonly number[]> {
    const world = this.#world
    const { chance, scenario } = world
    if (!world.isFaulty() || !chance.happens(scenario.callChance / 2)) return world.append(records, this.name)
    const acted = records.slice(0, chance.between(0, records.length))
    world.strike('append answer lost', `${acted.length} of ${records.length} are in the log`)
    await world.append(acted, this.name)
    throw new WaybillError('LOG_UNREACHABLE')
  }

  async *#read(from: Positions, signal: AbortSignal): AsyncGenerator<readonly LogRecord[]> {
    for await (const batch of this.#world.log.read(from, signal)) {
      if (this.isDead) await never()
      if (this.#lagMs > 0) await this.#world.clock.sleep(this.#lagMs)
      if (this.isDead) await never()
      yield batch
    }
  }

  #source(): Source {
    const { source } = this.#world.source
    return {
      describe: () => this.#call(() => source.describe()),
      list: (cursor, limits, signal) =>
        this.#call(() => this.#faultySource('SOURCE_READ_ERROR', () => source.list(cursor, limits, signal)), signal),
      look: (name) => this.#call(() => source.look(name)),
      open: async (name, expected) => {
        const reader = await this.#call(() =>
          this.#faultySource('SOURCE_UNREADABLE', () => source.open(name, expected)),
        )
        return this.#reader(reader, name)
      },
      close: () => Promise.resolve(),
    }
  }

  async #faultySource<T>(
    code: 'SOURCE_READ_ERROR' | 'SOURCE_UNREADABLE' | 'SOURCE_SHORT_READ',
    act: () => Promise<T>,
  ): Promise<T> {
    const world = this.#world
    if (world.isFaulty() && world.chance.happens(world.scenario.callChance)) {
      world.strike('source failed', code)
      throw new WaybillError(code)
    }
    return act()
  }

  #reader(reader: ItemReader, name: Buffer): ItemReader {
    const world = this.#world
    return {
      read: (buffer, offset, signal) => {
        const isOwner = !this.isReplaced && !this.isDead
        const verified = isOwner ? world.check.model.verifiedAt(name, offset) : null
        if (verified !== null) {
          world.violate({ invariant: 'I4', text: `${name.toString('latin1')} is read at ${offset} after ${verified}` })
        }
        if (world.isFaulty() && world.chance.happens(world.scenario.callChance / 2)) {
          world.strike('source changed while read', name.toString('latin1'))
          world.source.rewrite(name)
        }
        const code = world.chance.happens(0.5) ? 'SOURCE_READ_ERROR' : 'SOURCE_SHORT_READ'
        return this.#call(() => this.#faultySource(code, () => reader.read(buffer, offset, signal)), signal)
      },
      confirm: () => this.#call(() => reader.confirm()),
      close: () => (this.isDead ? never() : reader.close()),
    }
  }

  #target(target: Target): Target {
    const call = <T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> => this.#call(act, signal)
    return {
      keys: target.keys,
      survey: () => {
        const survey = target.survey()
        return {
          probe: (signal) => call(signal, () => survey.probe(signal)),
          list: (cursor, limit, signal) =>
            call(signal, () => survey.list(cursor, Math.min(limit, this.#listLimit()), signal)),
          clear: (signal) => call(signal, () => survey.clear(signal)),
          close: () => survey.close(),
        }
      },
      writer: (abilities) => {
        const writer = target.writer(abilities)
        return {
          takeOver: (claim, signal) => call(signal, () => writer.takeOver(claim, signal)),
          find: (key, signal) => call(signal, () => writer.find(key, signal)),
          put: (request, signal) => call(signal, () => writer.put(request, signal)),
          settle: (keys, signal) => call(signal, () => writer.settle(keys, signal)),
          writePart: (request, signal) => call(signal, () => writer.writePart(request, signal)),
          copyPart: (request, signal) => call(signal, () => writer.copyPart(request, signal)),
          close: () => writer.close(),
        }
      },
      uploads: (abilities) => {
        const uploads = target.uploads(abilities)
        return {
          find: (key, signal) => call(signal, () => uploads.find(key, signal)),
          open: (request, signal) => call(signal, () => uploads.open(request, signal)),
          seal: (request, signal) => call(signal, () => uploads.seal(request, signal)),
          abort: (key, upload, signal) => call(signal, () => uploads.abort(key, upload, signal)),
          sweep: (mayAbort, signal) => call(signal, () => uploads.sweep(mayAbort, signal)),
          finishDirectories: (entries, signal) => call(signal, () => uploads.finishDirectories(entries, signal)),
          close: () => uploads.close(),
        }
      },
      reader: (abilities) => {
        const reader = target.reader(abilities)
        return {
          read: (request, consume, signal) => call(signal, () => reader.read(request, consume, signal)),
          close: () => reader.close(),
        }
      },
    }
  }

  /** Small pages, so that a comparison takes several. */
  #listLimit(): number {
    return 1 + (this.#world.scenario.seed % 25)
  }
}
