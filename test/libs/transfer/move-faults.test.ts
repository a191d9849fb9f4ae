import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import type { ErrorCode } from '#libs/domain/errors'
import type { MemoryFault, StoredObject } from '#libs/target/memory-store'
import type { TransferredEntry } from '#schemas/records'
import { seededBytes } from '#test/support/seeded-bytes'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { createStage, job, plannedPack, type Stage } from './move-stage.ts'

const seeds = 400
const attemptsMax = 12
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()
const codes: readonly ErrorCode[] = [
  'TARGET_BUSY',
  'TARGET_TIMEOUT',
  'TARGET_UNREACHABLE',
  'TARGET_EXISTS',
  'TARGET_REFUSED',
  'TARGET_WRITE_ERROR',
  'TARGET_FULL',
]

function randomFault(random: () => number): MemoryFault | null {
  if (random() > 0.15) return null
  if (random() < 0.2) return { kind: 'flips' }
  return {
    kind: 'fails',
    code: codes[integerBetween(random, 0, codes.length - 1)] ?? 'TARGET_BUSY',
    acts: random() < 0.5,
  }
}

/** Some keys are taken by strangers of equal or other size, some by an older generation of ours. */
function occupy(stage: Stage, random: () => number, names: readonly string[]): Map<string, StoredObject> {
  const strangers = new Map<string, StoredObject>()
  for (const name of names) {
    if (random() > 0.3) continue
    const key = Buffer.from(name)
    const size = stage.tree.nodeOf(name)?.bytes.length ?? 0
    stage.target.store.replace(key, seededBytes(`stranger ${name}`, random() < 0.5 ? size : size + 1))
    const object = stage.target.store.mustHave(key)
    if (random() < 0.3) {
      stage.target.store.objects.set(name, { ...object, mark: { job, item: '0.0.0', generation: 1 } })
    } else {
      strangers.set(name, object)
    }
  }
  return strangers
}

function checkEntry(stage: Stage, name: string, entry: TransferredEntry, place: string): void {
  const stored = stage.target.store.objects.get(name)
  switch (entry.outcome) {
    case 'written':
      assert.equal(stored?.seal, entry.seal, `${place}: the seal is not that of what is stored`)
      assert.equal(stored?.mark?.job, job, place)
      assert.ok(stored !== undefined && sha256(stored.body).equals(entry.digest), `${place}: other bytes are stored`)
      return
    case 'given':
      assert.equal(stored?.seal, entry.seal, place)
      assert.ok(entry.digest.equals(sha256(stage.tree.nodeOf(name)?.bytes ?? Buffer.alloc(0))), place)
      return
    case 'conflict':
      assert.equal(entry.code, 'TARGET_EXISTS', place)
      return
    case 'changed':
    case 'failed':
      assert.notEqual(entry.code, null, place)
  }
}

test('whatever fails, acts in secret or stands in the way: no stranger is touched and nothing is called written that is not there', async () => {
  let written = 0
  for (let seed = 1; seed <= seeds; seed += 1) {
    const random = seededRandom(seed)
    const stage = createStage({ slotsMax: integerBetween(random, 1, 4), context: { looksFirst: random() < 0.5 } })
    const names = Array.from({ length: integerBetween(random, 1, 10) }, (_, index) => `a${index}`)
    for (const name of names) stage.tree.write(name, seededBytes(name, integerBetween(random, 0, 2000)))
    const strangers = occupy(stage, random, names)
    const planned = plannedPack(names.map((name) => stage.extentOf(name)))
    stage.target.store.faults = () => randomFault(random)
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const draft = await stage.clock.run(stage.move(planned, { attempt }))
      assert.equal(stage.context.budget.inFlight + stage.context.slots.inFlight, 0, `seed ${seed}`)
      if (draft.type === 'ChunkFailed') continue
      assert.equal(draft.entries.length, names.length, `seed ${seed}`)
      for (const [index, name] of names.entries()) {
        const entry = draft.entries[index]
        assert.ok(entry !== undefined && entry.item === planned.extents[index]?.item, `seed ${seed}`)
        checkEntry(stage, name, entry, `seed ${seed}, ${name}, attempt ${attempt}`)
        written += entry.outcome === 'written' ? 1 : 0
      }
      break
    }
    for (const [name, object] of strangers) {
      assert.equal(stage.target.store.objects.get(name), object, `seed ${seed}: the stranger ${name} was touched`)
    }
  }
  assert.ok(written > seeds, `${written} items were written`)
})
