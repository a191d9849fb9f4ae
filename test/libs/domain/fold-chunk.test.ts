import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { pendingOf } from '#libs/domain/tally'
import type { EventOf } from '#schemas/events'
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

const item = listedItem('1.0.0')
const extent = extentOf(item, { offset: 0, length: 10 })
const chunk = '1.0.0'
const pack = [claim(1), page(0, [item]), planned(chunk, [extent])] as const

const large = listedItem('1.0.0', { chunks: 2, identity: { ...identity, size: 20 } })
const parts = [0, 10].map((offset) => extentOf(large, { offset, length: 10 }))
const [first, second] = parts as [(typeof parts)[0], (typeof parts)[0]]
const largePage = page(0, [large], { packBytes: 10, counts: { items: 1, bytes: 20, chunks: 2, uploads: 1 } })

const opened = claimedEvent('UploadOpened', {
  item: large.item,
  generation: 1,
  pass: 1,
  page: 0,
  key: large.name,
  upload: 'upload',
  givenSeal: null,
  isOurs: true,
  replaces: null,
  partBytes: 10,
  placements: [{ partition: 0, count: 2 }],
  code: null,
})
const sealed = claimedEvent('UploadSealed', {
  item: large.item,
  generation: 1,
  seal: '"s"',
  size: 20,
  isAdopted: false,
  isOurs: true,
  code: null,
})
const moved = (part: string, extents: typeof parts, attempt = 1): EventOf<'ChunkLeased' | 'ChunkTransferred'>[] => [
  leased(part, attempt),
  transferred(
    part,
    extents.map((one) => written(one, { seal: null })),
    { attempt },
  ),
]
const upload = [
  claim(1),
  largePage,
  opened,
  planned('1.0.0', [first], 1),
  planned('1.0.1', [second], 2),
  ...moved('1.0.0', [first]),
  ...moved('1.0.1', [second]),
] as const
const proof = { generation: 1, seal: '"s"' }
const proofs = [proven('1.0.0', [first], proof), proven('1.0.1', [second], proof)] as const

const row = (history: History, name = chunk) => history.row(keyOf.chunk(job, name))

test('a chunk is verified by a proof after its transfer, and not by one before', () => {
  const history = new History().given(...pack, leased(chunk))
  assert.equal(history.fold(proven(chunk, [extent])).kind, 'stale')
  history.given(transferred(chunk, [written(extent)]), proven(chunk, [extent]))
  assert.deepEqual(history.tally.verified, { items: 1, bytes: 10 })
})

test('a late report of an earlier attempt does not change a transferred chunk', () => {
  const history = new History().given(...pack, leased(chunk), failed(chunk), leased(chunk, 2))
  history.given(transferred(chunk, [written(extent)], { attempt: 2 }))
  const before = history.text()
  assert.equal(history.fold(transferred(chunk, [written(extent, { seal: '"old"' })])).kind, 'stale')
  assert.equal(history.fold(failed(chunk)).kind, 'stale')
  assert.equal(history.text(), before)
})

test('what an older claim says of its lease changes nothing once a newer claim stands', () => {
  const history = new History().given(...pack, leased(chunk), claim(2, 'takeover'))
  const before = history.text()
  for (const event of [leased(chunk, 2), transferred(chunk, [written(extent)]), failed(chunk, { isFinal: true })]) {
    assert.equal(history.fold(event).kind, 'stale')
  }
  assert.equal(history.text(), before)
  assert.equal(row(history)?.local, 'planned')
})

test('a failed proof wins over a verified one of the same round, whichever comes first', () => {
  const wrong = proven(chunk, [extent], { outcome: 'mismatch' })
  const right = proven(chunk, [extent])
  const start = [...pack, leased(chunk), transferred(chunk, [written(extent)])] as const
  const [one, other] = [new History().given(...start, wrong, right), new History().given(...start, right, wrong)]
  assert.deepEqual(one.tally.mismatched, { items: 1, bytes: 10 })
  assert.deepEqual(one.row(keyOf.tally(job))?.verified, other.row(keyOf.tally(job))?.verified)
  assert.equal(one.tally.owed, 1)
})

test('a later round replaces what an earlier one found, also back to verified', () => {
  const history = new History().given(...pack, leased(chunk), transferred(chunk, [written(extent)]))
  history.given(proven(chunk, [extent], { outcome: 'mismatch' }), proven(chunk, [extent], { round: 2 }))
  assert.deepEqual(history.tally.verified, { items: 1, bytes: 10 })
  assert.equal(history.tally.owed, 0)
  assert.equal(history.fold(proven(chunk, [extent], { outcome: 'mismatch' })).kind, 'stale')
})

test('a superseded item stays out of all sums, also when its chunk comes later', () => {
  const correction = page(1, [{ ...item, generation: 2, previous: packPlace(chunk), outcome: 'changed', code: 'X' }], {
    kind: 'relist',
    counts: { items: 1, bytes: 10, chunks: 0, uploads: 0 },
  })
  const early = new History().given(claim(1), page(0, [item]), correction, planned(chunk, [extent]), leased(chunk))
  early.given(transferred(chunk, [written(extent)]), proven(chunk, [extent]))
  assert.deepEqual(early.tally.listed, { items: 1, bytes: 10 })
  assert.deepEqual(early.tally.changed, { items: 1, bytes: 10 })
  assert.equal(early.tally.verified.items, 0)
})

test('an upload counts once all parts are proven under its seal', () => {
  const history = new History().given(...upload, sealed, proofs[0])
  assert.equal(pendingOf(history.tally).items, 1)
  history.given(proofs[1])
  assert.deepEqual(history.tally.verified, { items: 1, bytes: 20 })
})

test('a proof that names another seal counts for nothing', () => {
  const other = { ...proof, seal: '"other"' }
  const history = new History().given(...upload, sealed, proven('1.0.0', [first], other), proofs[1])
  assert.equal(history.tally.verified.items, 0)
})

test('a part that the store refused before the seal is leased again under the same upload', () => {
  const history = new History().given(...upload)
  history.given(failed('1.0.0', { by: 'coordinator', code: 'PART_REFUSED' }))
  assert.equal(row(history, '1.0.0')?.local, 'planned')
  assert.equal(history.row(keyOf.sealable(job, large.item, 1)), undefined)
  history.given(...moved('1.0.0', [first], 2))
  assert.notEqual(history.row(keyOf.sealable(job, large.item, 1)), undefined)
})

test('a refusal of an earlier attempt is stale', () => {
  const history = new History().given(...upload, failed('1.0.0', { by: 'coordinator' }), ...moved('1.0.0', [first], 2))
  assert.equal(history.fold(failed('1.0.0', { by: 'coordinator' })).kind, 'stale')
})

test('the seal absorbs what comes too late: a refusal takes neither outcome, digest nor proof away', () => {
  const refusal = failed('1.0.0', { by: 'coordinator', code: 'PART_REFUSED' })
  for (const events of [
    [sealed, ...proofs, refusal],
    [sealed, refusal, ...proofs],
    [refusal, sealed, ...proofs],
  ]) {
    const history = new History().given(...upload, ...events)
    assert.deepEqual(history.tally.verified, { items: 1, bytes: 20 })
    assert.ok((row(history, '1.0.0')?.transferredAt ?? -1) >= 0)
  }
})

test('the seal absorbs the failure of a part that was leased again too late', () => {
  const refusal = failed('1.0.0', { by: 'coordinator', code: 'PART_REFUSED' })
  const late = [leased('1.0.0', 2), failed('1.0.0', { attempt: 2, code: 'ABORTED', isFinal: true })]
  const history = new History().given(...upload, sealed, ...proofs, refusal, ...late)
  assert.deepEqual(history.tally.verified, { items: 1, bytes: 20 })
  assert.equal(history.tally.owed, 0)
})

test('a changed item is still owed its correction when its other parts are given up for that', () => {
  const changed = transferred('1.0.0', [written(first, { outcome: 'changed', code: 'SOURCE_CHANGED', seal: null })])
  const givenUp = failed('1.0.1', { code: 'ABORTED', isCounted: false, isFinal: true })
  const history = new History().given(
    claim(1),
    largePage,
    opened,
    planned('1.0.0', [first], 1),
    planned('1.0.1', [second], 2),
    leased('1.0.0'),
    leased('1.0.1'),
    changed,
    givenUp,
  )
  assert.equal(history.tally.owed, 1)
  assert.deepEqual(history.tally.changed, { items: 1, bytes: 20 })
  assert.equal(history.tally.failed.items, 0)
})

test('only parts can be refused by a coordinator', () => {
  const history = new History().given(...pack, leased(chunk), transferred(chunk, [written(extent)]))
  assert.equal(history.fold(failed(chunk, { by: 'coordinator' })).kind, 'stale')
})

test('a chunk that is planned a second time is known when it is the same, and poison when it is not', () => {
  const history = new History().given(...pack)
  assert.equal(history.fold(planned(chunk, [extent])).kind, 'known')
  assert.equal(history.fold(planned(chunk, [extent, extent])).kind, 'poison')
})
