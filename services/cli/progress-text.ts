// From a snapshot to text. Pure; the screen decides when and where.

import { showText } from '#libs/domain/name-text'
import type { Phase } from '#libs/domain/phase'
import { formatCount, formatDuration, formatRate, formatShare, formatSize } from '#libs/domain/quantity'
import { itemsDone, itemsFailed, type ProgressSnapshot } from '../embedded/progress-snapshot.ts'
import type { Estimate } from './progress-estimate.ts'
import { type Line, type Piece, piece, renderLines } from './terminal-line.ts'

export interface BlockStyle {
  /** Columns of the terminal. */
  readonly columns: number
  readonly hasColor: boolean
  /** Bars of block characters; else of ASCII. */
  readonly isUnicode: boolean
}

const phaseWords: Readonly<Record<Phase, string>> = {
  starting: 'STARTING',
  scanning: 'SCANNING',
  moving: 'COPYING + VERIFYING',
  verifying: 'VERIFYING',
  reconciling: 'RECONCILING',
  finishing: 'FINISHING',
  complete: 'COMPLETE',
  stopped: 'STOPPED',
}

/** Cells of a bar for the width of the terminal: the figures matter more. */
function barCellsFor(columns: number): number {
  if (columns >= 96) return 20
  return columns >= 86 ? 10 : 0
}
const rangeColumnsMin = 76
const sideMarginColumns = 1

function bar(part: number, whole: number, style: BlockStyle): string {
  const cells = barCellsFor(style.columns)
  const share = whole <= 0 ? 1 : Math.min(1, part / whole)
  const full = Math.floor(share * cells)
  const drawn = (style.isUnicode ? '█' : '#').repeat(full) + (style.isUnicode ? '░' : '-').repeat(cells - full)
  return cells === 0 ? '' : `  ${drawn}`
}

function minutes(ms: number): string {
  return String(Math.max(1, Math.round(ms / 60_000)))
}

/** `ETA 48 min (44-56)`; the range in the same unit, or with units of its own when it needs them. */
export function etaText(left: Estimate['left'], hasRange = true): string {
  if (left === null) return 'ETA -'
  const likely = formatDuration(left.likelyMs)
  const isMinutes = left.shortMs >= 570_000 && left.longMs < 59.5 * 60_000
  const range = isMinutes
    ? `${minutes(left.shortMs)}-${minutes(left.longMs)}`
    : `${formatDuration(left.shortMs)} to ${formatDuration(left.longMs)}`
  if (left.likelyMs < 1000) return 'ETA 0 s'
  return hasRange ? `ETA ${likely} (${range})` : `ETA ${likely}`
}

function headLine(snapshot: ProgressSnapshot, columns: number): readonly Line[] {
  const pass = snapshot.pass > 1 ? `   pass ${snapshot.pass}` : ''
  const left: Line = [piece(` ${showText(snapshot.job)}${pass}   `), piece(phaseWords[snapshot.phase], 'bold')]
  const reason = limitText(snapshot)
  if (reason === '') return [left]
  const used = left.reduce((sum, each) => sum + each.text.length, 0)
  const gap = columns - used - reason.length - sideMarginColumns
  const column = 48 - used
  if (gap < 3) return [left, [piece(` ${reason}`)]]
  return [[...left, piece(' '.repeat(Math.max(3, Math.min(gap, column)))), piece(reason)]]
}

function limitText(snapshot: ProgressSnapshot): string {
  if (snapshot.stoppedBecause !== null) return showText(snapshot.stoppedBecause)
  return snapshot.phase === 'complete' || snapshot.limitedBy === '' ? '' : `limited by: ${showText(snapshot.limitedBy)}`
}

function counted(count: number, word: string, style: Piece['style'] = 'plain'): Piece {
  return piece(`${formatCount(count)} ${word}`, count > 0 ? style : 'plain')
}

function itemsLine(snapshot: ProgressSnapshot): Line {
  const gap = piece('   ')
  const { chunks } = snapshot
  const planned = `${formatCount(chunks.planned)}${snapshot.isTotalKnown ? '' : ' so far'}`
  return [
    piece(' items  '),
    counted(itemsDone(snapshot), 'done'),
    gap,
    counted(chunks.inFlight, 'in flight'),
    gap,
    counted(chunks.retrying, 'retrying', 'warning'),
    gap,
    counted(itemsFailed(snapshot), 'failed', 'bad'),
    piece(`       chunks ${formatCount(chunks.done)} / ${planned}`),
  ]
}

function scanningLine(snapshot: ProgressSnapshot): Line {
  const counts = `${formatCount(snapshot.totalItems)} items, ${formatSize(snapshot.totalBytes)} so far`
  return [piece(` Scanning ... ${counts}`)]
}

/** The block for a terminal: at most six lines, none wider than the terminal. */
export function blockText(snapshot: ProgressSnapshot, seen: Estimate, style: BlockStyle): readonly string[] {
  const lines: Line[] = [...headLine(snapshot, style.columns)]
  if (!snapshot.isTotalKnown) lines.push(scanningLine(snapshot))
  const { copiedBytes, verifiedBytes, totalBytes, isTotalKnown } = snapshot
  const total = isTotalKnown ? ` / ${formatSize(totalBytes)}` : ''
  const amounts = [`${formatSize(copiedBytes)}${total}`, formatSize(verifiedBytes)]
  const amountColumns = Math.max(...amounts.map((amount) => amount.length), 20)
  const isRunning = snapshot.phase !== 'complete' && snapshot.phase !== 'stopped'
  const share = (part: number): string =>
    isTotalKnown ? `${bar(part, totalBytes, style)}  ${formatShare(part, totalBytes).padStart(5)}` : ''
  const pace = seen.bytesPerSecond === null || !isRunning ? '' : `   ${formatRate(seen.bytesPerSecond)}`
  const eta = isTotalKnown && isRunning ? `   ${etaText(seen.left, style.columns >= rangeColumnsMin)}` : ''
  lines.push([piece(` copied    ${(amounts[0] ?? '').padEnd(amountColumns)}${share(copiedBytes)}${pace}${eta}`)])
  lines.push([
    piece(` verified  ${(amounts[1] ?? '').padEnd(amountColumns)}${share(verifiedBytes)}   `),
    counted(snapshot.mismatches, snapshot.mismatches === 1 ? 'mismatch' : 'mismatches', 'bad'),
  ])
  lines.push(itemsLine(snapshot))
  return renderLines(lines, style)
}

/** One plain line, for logs and pipes. `at` is the wall clock as text. */
export function plainLine(snapshot: ProgressSnapshot, seen: Estimate, at: string): string {
  const { copiedBytes, verifiedBytes, totalBytes, isTotalKnown, chunks } = snapshot
  const parts = [
    isTotalKnown
      ? `copied ${formatSize(copiedBytes)} / ${formatSize(totalBytes)} (${formatShare(copiedBytes, totalBytes)})`
      : `scanning ... ${formatCount(snapshot.totalItems)} items, ${formatSize(totalBytes)} so far, copied ${formatSize(copiedBytes)}`,
    isTotalKnown
      ? `verified ${formatSize(verifiedBytes)} (${formatShare(verifiedBytes, totalBytes)})`
      : `verified ${formatSize(verifiedBytes)}`,
    ...(seen.bytesPerSecond === null ? [] : [formatRate(seen.bytesPerSecond)]),
    ...(isTotalKnown && seen.left !== null ? [etaText(seen.left)] : []),
    `items ${formatCount(itemsDone(snapshot))} done, ${formatCount(itemsFailed(snapshot))} failed`,
    `chunks ${formatCount(chunks.inFlight)} in flight, ${formatCount(chunks.retrying)} retrying`,
    `${formatCount(snapshot.mismatches)} mismatches`,
  ]
  const reason = limitText(snapshot)
  const words = phaseWords[snapshot.phase].toLowerCase()
  return `${at} ${showText(snapshot.job)} ${words}: ${parts.join(', ')}${reason === '' ? '' : `; ${reason}`}`
}

/** One JSON object on one line; numbers are bytes, milliseconds, bytes a second. */
export function jsonLine(snapshot: ProgressSnapshot, seen: Estimate, at: string): string {
  return JSON.stringify({
    at,
    job_id: snapshot.job,
    pass: snapshot.pass,
    phase: snapshot.phase,
    is_total_known: snapshot.isTotalKnown,
    total_items: snapshot.totalItems,
    total_bytes: snapshot.totalBytes,
    copied_bytes: snapshot.copiedBytes,
    verified_bytes: snapshot.verifiedBytes,
    mismatches: snapshot.mismatches,
    items: snapshot.items,
    chunks_planned: snapshot.chunks.planned,
    chunks_done: snapshot.chunks.done,
    chunks_in_flight: snapshot.chunks.inFlight,
    chunks_retrying: snapshot.chunks.retrying,
    bytes_per_second: seen.bytesPerSecond === null ? null : Math.round(seen.bytesPerSecond),
    eta_ms: seen.left === null ? null : Math.round(seen.left.likelyMs),
    eta_ms_min: seen.left === null ? null : Math.round(seen.left.shortMs),
    eta_ms_max: seen.left === null ? null : Math.round(seen.left.longMs),
    limited_by: snapshot.limitedBy,
    stopped_because: snapshot.stoppedBecause,
  })
}
