import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type AssignmentMember, assignPartitions } from '#libs/domain/assignment'

type Assignment = ReturnType<typeof assignPartitions>

const fresh = (name: string): AssignmentMember => ({ name, owned: [], generation: 0 })

/** Members as they are after an assignment. */
function membersAfter(assignment: Assignment, generation = 1): readonly AssignmentMember[] {
  return [...assignment].map(([name, owned]) => ({ name, owned, generation }))
}

function ownersOf(assignment: Assignment): ReadonlyMap<number, string> {
  return new Map([...assignment].flatMap(([name, owned]) => owned.map((partition) => [partition, name] as const)))
}

/** Partitions whose owner differs. */
function moved(before: Assignment, after: Assignment): readonly number[] {
  const owners = ownersOf(after)
  const strangers = [...ownersOf(before)].filter(([partition, name]) => owners.get(partition) !== name)
  return strangers.map(([partition]) => partition).toSorted((a, b) => a - b)
}

function assertComplete(assignment: Assignment, partitions: number): void {
  const sizes = [...assignment.values()].map((owned) => owned.length)
  const all = [...assignment.values()].flat().toSorted((a, b) => a - b)
  assert.deepEqual(
    all,
    Array.from({ length: partitions }, (_, partition) => partition),
  )
  assert.ok(Math.max(...sizes) <= Math.ceil(partitions / assignment.size), `largest share ${Math.max(...sizes)}`)
  assert.ok(Math.min(...sizes) >= Math.floor(partitions / assignment.size), `smallest share ${Math.min(...sizes)}`)
}

const counts = fc.integer({ min: 1, max: 300 })
const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 20 })
const members = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 4 }),
    owned: fc.array(fc.integer({ min: -2, max: 320 }), { maxLength: 320 }),
    generation: fc.integer({ min: -1, max: 3 }),
  }),
  { minLength: 1, maxLength: 12, selector: ({ name }) => name },
)

test('every partition has one owner and nobody has more than his share, whatever members claim to have', () => {
  fc.assert(
    fc.property(counts, members, (partitions, list) => assertComplete(assignPartitions(partitions, list), partitions)),
  )
})

test('the order of members and of what they have does not matter', () => {
  fc.assert(
    fc.property(counts, members, (partitions, list) => {
      const turned = list.toReversed().map((member) => ({ ...member, owned: member.owned.toReversed() }))
      assert.deepEqual(assignPartitions(partitions, turned), assignPartitions(partitions, list))
    }),
  )
})

test('deciding again changes nothing', () => {
  fc.assert(
    fc.property(counts, members, (partitions, list) => {
      const first = assignPartitions(partitions, list)
      assert.deepEqual(assignPartitions(partitions, membersAfter(first)), first)
    }),
  )
})

test('a lost member moves its own partitions and no others', () => {
  fc.assert(
    fc.property(counts, names, fc.nat(), (partitions, list, choice) => {
      fc.pre(list.length > 1)
      const before = assignPartitions(partitions, list.map(fresh))
      const lost = list[choice % list.length] ?? ''
      const left = membersAfter(before).filter(({ name }) => name !== lost)
      const after = assignPartitions(partitions, left)
      assert.deepEqual(moved(before, after), before.get(lost))
    }),
  )
})

test('an added member moves what it gets and nothing else, through a whole history of comings and goings', () => {
  fc.assert(
    fc.property(counts, names, fc.array(fc.nat(), { maxLength: 30 }), (partitions, list, choices) => {
      let now = assignPartitions(partitions, list.slice(0, 1).map(fresh))
      for (const [step, choice] of choices.entries()) {
        const name = list[choice % list.length] ?? ''
        const before = now
        const others = membersAfter(before, step).filter((member) => member.name !== name)
        if (!before.has(name)) {
          now = assignPartitions(partitions, [...others, fresh(name)])
          assert.deepEqual(moved(before, now), now.get(name))
        } else if (others.length > 0) {
          now = assignPartitions(partitions, others)
          assert.deepEqual(moved(before, now), before.get(name))
        }
        assertComplete(now, partitions)
      }
    }),
  )
})

test('losing 1 of 10 members moves its 25 or 26 of 256 partitions; it gets as many when it comes back', () => {
  const list = Array.from({ length: 10 }, (_, index) => `worker-${index}`)
  const before = assignPartitions(256, list.map(fresh))
  const left = membersAfter(before).filter(({ name }) => name !== 'worker-3')
  const without = assignPartitions(256, left)
  assert.deepEqual(moved(before, without), before.get('worker-3'))
  const again = assignPartitions(256, [...membersAfter(without, 2), fresh('worker-3')])
  assert.deepEqual(moved(without, again), again.get('worker-3'))
  assert.ok([25, 26].includes(again.get('worker-3')?.length ?? 0))
})

test('of two members that claim a partition the one with the later assignment keeps it: a process that slept has old ones', () => {
  const owned = [0, 1]
  const list = [
    { name: 'slept', owned, generation: 4 },
    { name: 'awake', owned, generation: 5 },
  ]
  assert.deepEqual(assignPartitions(4, list).get('awake'), owned)
})

test('without a past, names alone decide: most partitions stay where they were for one member more', () => {
  const list = Array.from({ length: 8 }, (_, index) => `host-${index}`)
  const eight = assignPartitions(256, list.map(fresh))
  const nine = assignPartitions(256, [...list, 'host-8'].map(fresh))
  assert.ok(moved(eight, nine).length < 110, `${moved(eight, nine).length} of 256 moved`)
})
