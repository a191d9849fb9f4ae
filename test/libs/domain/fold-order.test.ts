// I5: what partitions say is folded in any interleaving and comes to the same state; sums are those of the rows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keyOf, kindOf } from '#libs/domain/keys'
import { emptyTally } from '#libs/domain/rows'
import { addSums, chunkSums, finalOutcomes, noSums, pendingOf, uploadSums } from '#libs/domain/tally'
import type { EventOf, EventType, Topic } from '#schemas/events'
import type { ListedItem } from '#schemas/records'
import type { ChunkRow, TallyRow, UploadRow } from '#schemas/rows'
import {
  claim,
  claimedEvent,
  extentOf,
  failed,
  History,
  identity,
  job,
  leased,
  listedItem,
  packPlace,
  page,
  planned,
  proven,
  transferred,
  written,
} from './history.ts'

type Event = EventOf<EventType>

const size = (bytes: number): Partial<ListedItem> => ({ identity: { ...identity, size: bytes } })
const [one, two] = [listedItem('1.0.0', size(3)), listedItem('1.0.1', size(5))]
const large = listedItem('1.0.2', { ...size(20), chunks: 2 })
const whole = (item: ListedItem) => extentOf(item, { offset: 0, length: item.identity.size })
const [part1, part2] = [extentOf(large, { offset: 0, length: 10 }), extentOf(large, { offset: 10, length: 10 })]
const again = { ...two, generation: 2, previous: packPlace('1.0.0', { index: 1, bytes: 5 }) }
const packs = {
  '1.0.0': [whole(one), whole(two)],
  '1.0.1': [part1],
  '1.0.2': [part2],
  '1.1.0': [whole(again)],
} as const
const againLarge: ListedItem = {
  ...large,
  generation: 2,
  previous: { ...packPlace('1.0.1', { bytes: 20, count: 2 }), form: 'upload' },
}

const counts = (items: readonly ListedItem[], chunks: number, uploads: number) => ({
  items: items.length,
  bytes: items.reduce((sum, { identity: { size: bytes } }) => sum + bytes, 0),
  chunks,
  uploads,
})

/** What the coordinator says, in the order in which it may say it. */
const listings: readonly Event[] = [
  page(0, [one, two, large], { packBytes: 10, counts: counts([one, two, large], 3, 1) }),
  upload(1, 'opened'),
  upload(1, 'sealed'),
  claimedEvent('PagePlanned', { pass: 1, page: 0, chunks: 3 }),
  page(1, [again], { kind: 'relist', packBytes: 10, counts: counts([again], 1, 0) }),
  claimedEvent('TargetListed', {
    pass: 1,
    page: 0,
    cursor: null,
    through: null,
    isLast: true,
    objects: 3,
    bytes: 28,
    differing: [{ key: one.name, item: one.item, reason: 'missing', place: packPlace('1.0.0', { bytes: 3 }) }],
    strangers: 0,
    strangerSamples: [],
  }),
  page(2, [againLarge], { kind: 'repair', packBytes: 10, counts: counts([againLarge], 2, 1) }),
  upload(2, 'opened'),
]

function upload(generation: number, what: 'opened' | 'sealed'): Event {
  const id = { item: large.item, generation }
  const ours = { isOurs: true, code: null }
  if (what === 'sealed')
    return claimedEvent('UploadSealed', { ...id, seal: '"s"', size: 20, isAdopted: false, ...ours })
  const open = { upload: 'u', givenSeal: null, replaces: null, partBytes: 10, placements: [{ partition: 0, count: 2 }] }
  return claimedEvent('UploadOpened', { ...id, pass: 1, page: 0, key: large.name, ...open, ...ours })
}

/** What may be said of one chunk, due or not. */
function chunkEvents(chunk: keyof typeof packs): readonly Event[] {
  const extents = packs[chunk]
  const isPart = chunk === '1.0.1' || chunk === '1.0.2'
  const proof = isPart ? { generation: 1, seal: '"s"' } : {}
  const entries = (change: Parameters<typeof written>[1]) => extents.map((extent) => written(extent, change))
  const attempts = [1, 2, 3].flatMap((attempt): Event[] => [
    leased(chunk, attempt),
    transferred(chunk, entries({ seal: isPart ? null : '"s"' }), { attempt }),
    failed(chunk, { attempt }),
  ])
  return [
    planned(chunk, extents, isPart ? Number(chunk.at(-1)) : null),
    ...attempts,
    transferred(chunk, entries({ outcome: 'changed', code: 'SOURCE_CHANGED' })),
    transferred(chunk, entries({ outcome: 'given', isOurs: false })),
    failed(chunk, { attempt: 1, by: 'coordinator', code: 'PART_REFUSED' }),
    failed(chunk, { attempt: 2, isFinal: true, code: 'ABORTED' }),
    proven(chunk, extents, proof),
    proven(chunk, extents, { ...proof, outcome: 'mismatch' }),
    proven(chunk, extents, { ...proof, outcome: 'missing' }),
    proven(chunk, extents, { ...proof, round: 2 }),
    proven(chunk, extents, { ...proof, round: 2, outcome: 'unverifiable' }),
  ]
}

interface Placed {
  readonly event: Event
  readonly topic: Topic
  readonly partition: number
}

const partitionOf: Readonly<Record<keyof typeof packs, number>> = { '1.0.0': 0, '1.0.1': 1, '1.0.2': 0, '1.1.0': 1 }

/** One partition's part of a log: its plans stand first more often than not, since most of what follows needs them. */
function partitionLog(partition: number): fc.Arbitrary<readonly Placed[]> {
  const chunks = (Object.keys(packs) as (keyof typeof packs)[]).filter((chunk) => partitionOf[chunk] === partition)
  const pool = chunks.flatMap((chunk) => chunkEvents(chunk))
  const due = chunks.flatMap((chunk) => chunkEvents(chunk).slice(0, 3))
  const claims = [claim(2), claim(3, 'takeover')]
  const proofs = pool.filter(({ type }) => type === 'ChunkVerified' || type === 'ChunkFailed')
  const said = fc.array(fc.constantFrom(...pool, ...due, ...proofs, ...proofs, ...claims), { maxLength: 30 })
  return fc
    .tuple(fc.subarray(due, { minLength: due.length - 1 }), said)
    .map(([first, rest]) => [claim(1), ...first, ...rest].map((event) => ({ event, topic: 'chunks', partition })))
}

const listingLog: fc.Arbitrary<readonly Placed[]> = fc
  .array(fc.nat(listings.length - 1), { maxLength: 6 })
  .chain((repeats) => fc.nat(2 * listings.length).map((end) => ({ repeats, end })))
  .map(({ repeats, end }) => {
    const said = listings.slice(0, end).flatMap((event, index) => [event, ...(repeats.includes(index) ? [event] : [])])
    return [claim(1), ...said].map((event) => ({ event, topic: 'listings' as const, partition: 0 }))
  })

const logs = fc.tuple(listingLog, partitionLog(0), partitionLog(1))

/** One order of all partitions: each draw takes the next record of a partition. */
function interleave(partitions: readonly (readonly Placed[])[], draws: readonly number[]): readonly Placed[] {
  const next = partitions.map(() => 0)
  const order: Placed[] = []
  const take = (index: number): void => {
    const record = partitions[index]?.[next[index] ?? 0]
    if (record === undefined) return
    next[index] = (next[index] ?? 0) + 1
    order.push(record)
  }
  for (const draw of draws) take(draw % partitions.length)
  for (const [index, records] of partitions.entries()) while ((next[index] ?? 0) < records.length) take(index)
  return order
}

function foldOf(order: readonly Placed[]): History {
  const history = new History()
  for (const { event, topic, partition } of order) history.fold(event, { topic, partition })
  return history
}

const draws = fc.array(fc.nat(2), { maxLength: 120 })

test('any two interleavings of the same partitions come to the same state', () => {
  fc.assert(
    fc.property(logs, draws, draws, (partitions, first, second) => {
      const [left, right] = [foldOf(interleave(partitions, first)), foldOf(interleave(partitions, second))]
      assert.equal(left.text(), right.text())
    }),
    { numRuns: 2_000 },
  )
})

const start = [
  claim(1),
  page(0, [one, two, large], { packBytes: 10, counts: counts([one, two, large], 3, 1) }),
  upload(1, 'opened'),
  ...(['1.0.0', '1.0.1', '1.0.2'] as const).flatMap((chunk) => chunkEvents(chunk).slice(0, 3)),
  upload(1, 'sealed'),
]
const cases: readonly {
  readonly promise: string
  readonly first: readonly Event[]
  readonly second: readonly Event[]
}[] = [
  {
    promise: 'a correction that the target listing asks for, and one that a proof asks for',
    first: [listings[5] as Event],
    second: [proven('1.0.0', packs['1.0.0'], { outcome: 'mismatch' })],
  },
  {
    promise: 'what a proof asks for of a generation, and what a later generation asks for before its page is known',
    first: [proven('1.0.0', packs['1.0.0'], { outcome: 'mismatch' }), listings[4] as Event],
    second: [
      planned('1.1.0', packs['1.1.0']),
      leased('1.1.0'),
      transferred('1.1.0', [written(packs['1.1.0'][0], { outcome: 'changed', code: 'SOURCE_CHANGED' })]),
    ],
  },
  {
    promise: 'parts of one upload that are found wrong in different ways in a later round',
    first: [
      proven('1.0.1', [part1], { generation: 1, seal: '"s"', outcome: 'mismatch' }),
      proven('1.0.1', [part1], { generation: 1, seal: '"s"', round: 2 }),
    ],
    second: [
      proven('1.0.2', [part2], { generation: 1, seal: '"s"' }),
      proven('1.0.2', [part2], { generation: 1, seal: '"s"', round: 2, outcome: 'missing' }),
    ],
  },
]
for (const { promise, first, second } of cases) {
  test(`the order does not matter between ${promise}`, () => {
    const states = [...orders(first, second)].map((order) => new History().given(...start, ...order).text())
    for (const state of states) assert.equal(state, states[0])
  })
}

/** All interleavings of two partitions. */
function* orders(first: readonly Event[], second: readonly Event[]): Generator<readonly Event[]> {
  const [one, ...rest] = first
  const [other, ...others] = second
  if (one === undefined || other === undefined) {
    yield [...first, ...second]
    return
  }
  for (const order of orders(rest, second)) yield [one, ...order]
  for (const order of orders(first, others)) yield [other, ...order]
}

test('what is folded a second time, from any place on, changes nothing', () => {
  fc.assert(
    fc.property(logs, draws, fc.nat(60), (partitions, order, repeated) => {
      const records = interleave(partitions, order)
      const history = foldOf(records)
      const before = history.text()
      for (const { event, topic, partition } of records.slice(-repeated).filter(isIdempotent)) {
        history.fold(event, { topic, partition })
      }
      assert.equal(history.text(), before)
    }),
    { numRuns: 1_000 },
  )
})

/** A lease or claim that was too early the first time may be due when it comes again: no program makes such. */
function isIdempotent({ event, topic }: Placed): boolean {
  return topic === 'listings' && event.type !== 'PartitionClaimed'
}

test('the tally is the sum over rows, outcomes never pass what is listed', () => {
  fc.assert(
    fc.property(logs, draws, (partitions, order) => {
      const history = foldOf(interleave(partitions, order))
      const { tally } = history
      const sum = sumOfRows(history)
      for (const name of [
        'chunksPlanned',
        'chunksLeased',
        'chunksTransferred',
        'chunksVerified',
        'readable',
      ] as const) {
        assert.equal(tally[name], sum[name], name)
      }
      for (const outcome of finalOutcomes) assert.deepEqual(tally[outcome], sum[outcome], outcome)
      assert.deepEqual(tally.rounds, sum.rounds)
      const isListed = history.row(keyOf.page(job, { pass: 1, page: 1 }))?.isListed === true
      if (isListed) assert.ok(pendingOf(tally).items >= 0 && pendingOf(tally).bytes >= 0)
    }),
    { numRuns: 1_000 },
  )
})

/** Pages here settle no item by themselves, so chunks and uploads are all there is to add up. */
function sumOfRows(history: History): TallyRow {
  let sum: TallyRow = emptyTally
  for (const [key, row] of history.rows) {
    if (kindOf(key) === 'chunk') sum = addSums(sum, chunkSums(row as ChunkRow) ?? noSums)
    if (kindOf(key) === 'upload') sum = addSums(sum, uploadSums(row as UploadRow))
  }
  return sum
}
