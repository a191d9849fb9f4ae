import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addSample, estimate, type Sample } from '#services/cli/progress-estimate'
import { askEveryMs, openProgressScreen, progressModeOf, watchProgress } from '#services/cli/progress-screen'
import { blockText, etaText, jsonLine, plainLine } from '#services/cli/progress-text'
import type { ProgressSnapshot } from '#services/embedded/progress-snapshot'
import { createVirtualClock } from '#test/support/virtual-clock'

const gib = 1024 ** 3
const none = {
  pending: 0,
  verified: 0,
  already_there: 0,
  mismatched: 0,
  missing: 0,
  failed: 0,
  changed: 0,
  skipped: 0,
  unverifiable: 0,
}

const half: ProgressSnapshot = {
  job: 'archive-2026',
  pass: 1,
  phase: 'moving',
  isTotalKnown: true,
  totalItems: 2_400_000,
  totalBytes: 1.2 * 1024 * gib,
  copiedBytes: 612.4 * gib,
  verifiedBytes: 598.1 * gib,
  mismatches: 0,
  items: { ...none, verified: 1_204_308, failed: 3, pending: 2_400_000 - 1_204_311 },
  chunks: { planned: 157_286, done: 78_402, inFlight: 38, retrying: 12 },
  limitedBy: 'target (503 SlowDown, 41/min)',
  stoppedBecause: null,
}

/** A minute at a steady pace. */
const steady: readonly Sample[] = Array.from({ length: 61 }, (_, second) => ({
  atMs: second * 1000,
  copiedBytes: 600 * gib + second * 0.2 * gib,
  verifiedBytes: 585 * gib + second * 0.2 * gib,
  chunksDone: 70_000 + second * 40,
}))

/** Letters beside what terminals act upon. */
const oddText = fc
  .array(fc.constantFrom('a', ' ', 'é', '\u001b[2J', '\n', '\r', '\t', '\u0085', '\u202e', '🜂', '\u0000'), {
    maxLength: 60,
  })
  .map((pieces) => pieces.join(''))

const plain = { columns: 100, hasColor: false, isUnicode: true }

test('the block shows what a person asks for, in four lines', () => {
  assert.deepEqual(blockText(half, estimate(steady, half), plain), [
    ' archive-2026   COPYING + VERIFYING             limited by: target (503 SlowDown, 41/min)',
    ' copied    612.4 GiB / 1.20 TiB  █████████░░░░░░░░░░░   49 %   205 MiB/s   ETA 53 min (53-53)',
    ' verified  598.1 GiB             █████████░░░░░░░░░░░   48 %   0 mismatches',
    ' items  1,204,311 done   38 in flight   12 retrying   3 failed       chunks 78,402 / 157,286',
  ])
})

test('until the total is known it says what was counted so far', () => {
  const lines = blockText({ ...half, isTotalKnown: false }, estimate(steady, { ...half, isTotalKnown: false }), plain)
  assert.equal(lines[1], ' Scanning ... 2,400,000 items, 1.20 TiB so far')
  assert.ok(!lines.join('').includes('ETA'))
  assert.ok(!lines.join('').includes('%'))
})

test('no line is wider than the terminal, whatever the names and numbers', () => {
  const counts = fc.integer({ min: 0, max: 2 ** 50 })
  const snapshots = fc.record({
    columns: fc.integer({ min: 1, max: 200 }),
    big: counts,
    small: counts,
    reason: oddText,
    isTotalKnown: fc.boolean(),
  })
  fc.assert(
    fc.property(snapshots, ({ columns, big, small, reason, isTotalKnown }) => {
      const snapshot = {
        ...half,
        isTotalKnown,
        totalBytes: big,
        copiedBytes: small,
        verifiedBytes: small,
        limitedBy: reason,
      }
      const lines = blockText(snapshot, estimate(steady, snapshot), { ...plain, columns })
      assert.ok(lines.length <= 6)
      for (const line of lines) {
        assert.ok(line.length < Math.max(columns, 1), line)
        assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f]/)
      }
    }),
  )
})

test('colours are used only where they are wanted', () => {
  const start = '\u001b'
  assert.ok(
    blockText(half, estimate(steady, half), { ...plain, hasColor: true })
      .join('')
      .includes(`${start}[31m3 failed${start}[0m`),
  )
  assert.ok(!blockText(half, estimate(steady, half), plain).join('').includes(start))
  assert.match(blockText(half, estimate(steady, half), { ...plain, isUnicode: false }).join(''), /#{9}-{11}/)
})

test('it ends at 100 % or says why not', () => {
  const complete = { ...half, phase: 'complete', copiedBytes: half.totalBytes, verifiedBytes: half.totalBytes } as const
  const lines = blockText(complete, estimate(steady, complete), plain)
  assert.match(lines[1] ?? '', /100 %$/)
  assert.ok(!lines[0]?.includes('limited by'))
  const stopped = { ...half, phase: 'stopped', stoppedBecause: 'the target is full' } as const
  assert.match(blockText(stopped, estimate(steady, stopped), plain)[0] ?? '', /STOPPED +the target is full$/)
  const empty = { ...complete, totalBytes: 0, copiedBytes: 0, verifiedBytes: 0 }
  assert.match(blockText(empty, estimate([], empty), plain)[1] ?? '', /100 %$/)
})

test('without a terminal one plain line says the same', () => {
  assert.equal(
    plainLine(half, estimate(steady, half), '2026-11-24T20:00:00.000Z'),
    '2026-11-24T20:00:00.000Z archive-2026 copying + verifying: copied 612.4 GiB / 1.20 TiB (49 %), verified 598.1 GiB (48 %), 205 MiB/s, ETA 53 min (53-53), items 1,204,311 done, 3 failed, chunks 38 in flight, 12 retrying, 0 mismatches; limited by: target (503 SlowDown, 41/min)',
  )
  const told = JSON.parse(jsonLine(half, estimate(steady, half), 'now'))
  assert.equal(told.total_bytes, half.totalBytes)
  assert.equal(told.eta_ms > 0, true)
  assert.ok(!plainLine({ ...half, limitedBy: 'a\u001b[2Jb\n' }, estimate([], half), 'now').includes('\u001b'))
})

test('the time left follows what takes longest, and its range the pace seen', () => {
  const slowProof = steady.map((sample, second) => ({ ...sample, verifiedBytes: 585 * gib + second * 0.1 * gib }))
  const { left } = estimate(slowProof, half)
  assert.ok(left !== null)
  assert.ok(Math.abs(left.likelyMs - ((half.totalBytes - half.verifiedBytes) / (0.1 * gib)) * 1000) < 1)
  const uneven = steady.map((sample, second) => ({ ...sample, copiedBytes: 600 * gib + 0.01 * gib * second ** 1.5 }))
  const range = estimate(uneven, half).left
  assert.ok(range !== null && range.shortMs < range.likelyMs && range.likelyMs < range.longMs)
  assert.equal(estimate(steady.slice(0, 2), half).left, null)
  assert.equal(
    estimate(
      steady.map((sample) => ({ ...sample, chunksDone: 5 })),
      half,
    ).left,
    null,
  )
  assert.equal(etaText(null), 'ETA -')
  assert.equal(etaText({ likelyMs: 48 * 60_000, shortMs: 44 * 60_000, longMs: 56 * 60_000 }), 'ETA 48 min (44-56)')
})

test('samples of one minute are kept, at most one a second', () => {
  let samples: readonly Sample[] = []
  for (let ms = 0; ms <= 300_000; ms += 100) {
    samples = addSample(samples, { atMs: ms, copiedBytes: ms, verifiedBytes: ms, chunksDone: 0 })
    assert.ok(samples.length <= 61)
  }
  assert.equal(samples.at(-1)?.atMs, 300_000)
  assert.ok((samples[0]?.atMs ?? 0) >= 240_000)
})

test('the block is drawn at most ten times a second, and over itself', async () => {
  const clock = createVirtualClock()
  const written: string[] = []
  const screen = openProgressScreen({ mode: 'block', style: () => plain, write: (text) => written.push(text), clock })
  for (let ms = 0; ms < 1000; ms += 10) {
    screen.show(half)
    await clock.advance(10)
  }
  assert.equal(written.length, 10)
  assert.ok(written[1]?.startsWith('\r\u001b[4A\u001b[J'))
  screen.end(half)
  assert.equal(written.length, 11)
})

test('a run that fails is watched to its end and its error passed on', async () => {
  const clock = createVirtualClock()
  const lines: string[] = []
  const screen = openProgressScreen({ mode: 'line', style: () => plain, write: (text) => lines.push(text), clock })
  const work = clock.sleep(25_000).then(() => Promise.reject(new Error('over')))
  const watched = watchProgress(screen, { everyMs: askEveryMs.line, clock, snapshot: async () => half }, work)
  await assert.rejects(clock.run(watched), /over/)
  assert.equal(lines.length, 4)
})

test('auto is a block on a terminal, lines elsewhere, nothing when quiet', () => {
  const place = { isTerminal: true, isDumb: false, isQuiet: false }
  assert.equal(progressModeOf('auto', place), 'block')
  assert.equal(progressModeOf('auto', { ...place, isTerminal: false }), 'line')
  assert.equal(progressModeOf('auto', { ...place, isDumb: true }), 'line')
  assert.equal(progressModeOf('auto', { ...place, isQuiet: true }), 'none')
  assert.equal(progressModeOf('json', { ...place, isQuiet: true }), 'json')
})
