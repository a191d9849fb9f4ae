import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import type { EventOf } from '#schemas/events'
import { claim, claimedEvent, History, job, listedItem, packPlace, page } from './history.ts'

const listing = (history: History) => history.row(keyOf.listing(job, 1))

function compared(number: number, change: Partial<EventOf<'TargetListed'>> = {}): EventOf<'TargetListed'> {
  const end = { cursor: null, through: null, isLast: true, objects: 1, bytes: 10, strangers: 0 }
  return claimedEvent('TargetListed', { pass: 1, page: number, ...end, differing: [], strangerSamples: [], ...change })
}

const missing = { key: Buffer.from('k'), item: '1.0.0', reason: 'missing', place: packPlace('1.0.0') } as const

test('a comparison page that comes twice changes nothing, also after the comparison ended', () => {
  const history = new History().given(claim(1), page(0, [listedItem('1.0.0')]), compared(0, { differing: [missing] }))
  const before = history.text()
  assert.equal(history.fold(compared(0, { differing: [missing] })).kind, 'known')
  assert.equal(history.text(), before)
  assert.equal(history.tally.owed, 1)
})

test('a comparison begins anew with the next page number, and counts its own objects alone', () => {
  const history = new History().given(
    claim(1),
    page(0, [listedItem('1.0.0')]),
    compared(0),
    compared(1, { objects: 7 }),
  )
  assert.equal(listing(history)?.compared.objects, 7)
  assert.equal(listing(history)?.compared.pages, 2)
})

test('a page counts only after the one before it', () => {
  const history = new History().given(claim(1))
  assert.equal(history.fold(page(1, [listedItem('1.1.0')])).kind, 'stale')
  assert.equal(history.fold(page(0, [listedItem('1.0.0')])).kind, 'folded')
  assert.equal(history.fold(page(0, [listedItem('1.0.0')])).kind, 'known')
  assert.equal(history.tally.listed.items, 1)
})

test('a page of an older claim changes nothing', () => {
  const history = new History().given(claim(1), claim(2))
  const before = history.text()
  assert.equal(history.fold(page(0, [listedItem('1.0.0')])).kind, 'stale')
  assert.equal(history.text(), before)
})
