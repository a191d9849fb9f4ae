// How well the work is shared out among many workers, with the production decisions (placement, planning window, sticky
// assignment) and a model of the rest: no bytes move. One worker is half as fast, one is lost in mid-run and comes back.
//
//   node --conditions=source bench/assignment.ts [--workers 50] [--bytes 1e15] [--partitions 1000]
import { parseArgs } from 'node:util'
import { assignPartitions } from '#libs/domain/assignment'
import { planLimits } from '#libs/domain/decide-coordinator'
import { placeChunks } from '#libs/domain/placement'

const chunkBytes = 64 * 1024 ** 2
const itemBytes = 100 * 1024 ** 3
const bytesPerSecond = 100e6
/** From the loss of a worker to the first lease of its heirs, as measured (docs/operating.md), and back. */
const takeoverSeconds = 15
const lostSeconds = 3_600
/** Chunks that a worker moves at a time: lost with it. */
const chunksAtOnce = 4

export interface AssignmentModel {
  readonly workers: number
  readonly bytes: number
  readonly partitions: number
}

export interface AssignmentResult {
  readonly seconds: number
  /** Bytes of the job over what the workers that were there could have moved in that time. */
  readonly efficiency: number
  readonly chunksRepeated: number
}

interface Worker {
  readonly name: string
  readonly speed: number
  partitions: readonly number[]
  /** Chunks waiting in its partitions. */
  waiting: number
  freeAt: number
  isAlive: boolean
}

class Model {
  readonly #options: AssignmentModel
  readonly #workers: readonly Worker[]
  /** Waiting chunks of each partition. */
  readonly #queues: number[]
  #unplanned: number
  #generation = 1
  #idleUntil = new Map<string, number>()
  now = 0
  capacity = 0
  repeated = 0

  constructor(options: AssignmentModel) {
    this.#options = options
    this.#queues = new Array<number>(options.partitions).fill(0)
    this.#unplanned = Math.ceil(options.bytes / chunkBytes)
    this.#workers = Array.from({ length: options.workers }, (_, index) => ({
      name: `worker-${String(index).padStart(3, '0')}`,
      speed: index === 0 ? bytesPerSecond / 2 : bytesPerSecond,
      partitions: [],
      waiting: 0,
      freeAt: 0,
      isAlive: true,
    }))
    this.#assign()
  }

  #assign(): void {
    const living = this.#workers.filter(({ isAlive }) => isAlive)
    const members = living.map(({ name, partitions }) => ({ name, owned: partitions, generation: this.#generation }))
    const assigned = assignPartitions(this.#options.partitions, members)
    this.#generation += 1
    for (const worker of this.#workers) {
      worker.partitions = assigned.get(worker.name) ?? []
      worker.waiting = worker.partitions.reduce((sum, partition) => sum + (this.#queues[partition] ?? 0), 0)
    }
  }

  /** Plans uploads while the window has room, one item after the other. */
  plan(): void {
    const owners = this.#workers.filter(({ partitions }) => partitions.length > 0)
    const window = Math.min(planLimits.unfinishedChunksOfClaimant * owners.length, planLimits.unfinishedChunksOfJob)
    const unfinished = this.#workers.reduce((sum, { waiting }) => sum + waiting, 0)
    if (this.#unplanned === 0 || unfinished >= window) return
    const count = Math.min(this.#unplanned, itemBytes / chunkBytes)
    const loads = owners.flatMap(({ name, partitions }) =>
      partitions.map((partition) => {
        const chunks = this.#queues[partition] ?? 0
        return { partition, claimant: name, chunks, bytes: chunks * chunkBytes }
      }),
    )
    for (const placement of placeChunks(loads, count, chunkBytes)) {
      this.#queues[placement.partition] = (this.#queues[placement.partition] ?? 0) + placement.count
    }
    this.#unplanned -= count
    for (const worker of owners) {
      worker.waiting = worker.partitions.reduce((sum, partition) => sum + (this.#queues[partition] ?? 0), 0)
    }
    this.plan()
  }

  #take(worker: Worker): void {
    const partition = worker.partitions.find((each) => (this.#queues[each] ?? 0) > 0)
    if (partition === undefined) return
    this.#queues[partition] = (this.#queues[partition] ?? 0) - 1
    worker.waiting -= 1
    worker.freeAt = Math.max(this.now, worker.freeAt, this.#idleUntil.get(worker.name) ?? 0) + chunkBytes / worker.speed
  }

  /** What living workers could move in the step, and the chunks that they start in it. */
  step(seconds: number): void {
    const end = this.now + seconds
    for (const worker of this.#workers) {
      if (!worker.isAlive) continue
      this.capacity += worker.speed * seconds
      while (worker.waiting > 0 && Math.max(worker.freeAt, this.#idleUntil.get(worker.name) ?? 0) < end)
        this.#take(worker)
      if (worker.freeAt < end && worker.waiting === 0) worker.freeAt = end
    }
    this.now = end
  }

  /** Its chunks under way are lost and moved again by its heirs, once they have taken over. */
  lose(index: number): void {
    const worker = this.#workers[index] as Worker
    worker.isAlive = false
    const [first] = worker.partitions
    if (first !== undefined) this.#queues[first] = (this.#queues[first] ?? 0) + chunksAtOnce
    this.repeated += chunksAtOnce
  }

  rebalance(): void {
    this.#assign()
  }

  back(index: number): void {
    const worker = this.#workers[index] as Worker
    worker.isAlive = true
    worker.freeAt = this.now
    this.#idleUntil.set(worker.name, this.now + takeoverSeconds)
  }

  isDone(): boolean {
    return this.#unplanned === 0 && this.#workers.every(({ waiting }) => waiting === 0)
  }

  /** When the last worker is free. */
  lastFree(): number {
    return Math.max(...this.#workers.filter(({ isAlive }) => isAlive).map(({ freeAt }) => freeAt))
  }

  speedNow(): number {
    return this.#workers.filter(({ isAlive }) => isAlive).reduce((sum, { speed }) => sum + speed, 0)
  }
}

const stepSeconds = 1

export function simulateAssignment(options: AssignmentModel): AssignmentResult {
  const model = new Model(options)
  const lostAt = options.bytes / (bytesPerSecond * options.workers) / 3
  let phase: 'before' | 'lost' | 'taken over' | 'back' = 'before'
  while (!model.isDone()) {
    if (phase === 'before' && model.now >= lostAt) {
      model.lose(1)
      phase = 'lost'
    } else if (phase === 'lost' && model.now >= lostAt + takeoverSeconds) {
      model.rebalance()
      phase = 'taken over'
    } else if (phase === 'taken over' && model.now >= lostAt + lostSeconds) {
      model.back(1)
      model.rebalance()
      phase = 'back'
    }
    model.plan()
    model.step(stepSeconds)
  }
  const tail = Math.max(0, model.lastFree() - model.now)
  const capacity = model.capacity + tail * model.speedNow()
  return { seconds: model.now + tail, efficiency: options.bytes / capacity, chunksRepeated: model.repeated }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '50' },
      bytes: { type: 'string', default: '1e15' },
      partitions: { type: 'string', default: '1000' },
    },
  })
  const model = { workers: Number(values.workers), bytes: Number(values.bytes), partitions: Number(values.partitions) }
  const { seconds, efficiency, chunksRepeated } = simulateAssignment(model)
  const hours = (seconds / 3600).toFixed(1)
  console.log(
    `${model.workers} workers, one at half speed, ${model.bytes} bytes, ${model.partitions} partitions: ${hours} h, efficiency ${efficiency.toFixed(4)}, ${chunksRepeated} chunks moved again`,
  )
}
