// Builders of report content: a small tree with every outcome, hostile names, both kinds of digests.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { orderOf } from '#libs/domain/name-order'
import { emptyTotals, type Totals } from '#libs/domain/report'
import { countTotals } from '#libs/report/footer'
import type { ReportFacts } from '#libs/report/header'
import type { ReportLeaf } from '#libs/report/leaf'
import { sha256 } from '#libs/report/merkle'
import { hostileNames } from '#test/support/hostile-names'
import { run } from './commands.ts'

export const digestOf = (text: string): string => sha256(Buffer.from(text)).toString('hex')

export function leafOf(name: string | Buffer, change: Partial<ReportLeaf> = {}): ReportLeaf {
  const bytes = Buffer.from(name)
  const size = change.size ?? 11
  return {
    name: bytes.toString('base64'),
    kind: 'file',
    size,
    outcome: 'verified',
    code: null,
    key: bytes.toString('base64'),
    seal: '"5eb63bbbe01eeed093cb22bb8f5acdc3"',
    source: {
      size,
      mtime_ns: '1700000000123456789',
      ctime_ns: '1700000001000000000',
      inode: `2049:${bytes.length + 100}`,
    },
    chunks: [[0, size, digestOf(bytes.toString('hex'))]],
    ...change,
  }
}

const MiB = 1024 * 1024

export function chunksOf(size: number, chunkBytes: number, salt: string): ReportLeaf['chunks'] {
  const count = Math.max(1, Math.ceil(size / chunkBytes))
  return Array.from({ length: count }, (_, index) => [
    index * chunkBytes,
    Math.min(chunkBytes, size - index * chunkBytes),
    digestOf(`${salt} ${index}`),
  ])
}

/** What a spreadsheet or a browser would act upon, beside what Linux can hold. */
const actingNames: readonly Buffer[] = [
  '"><img src=x onerror=alert(1)>',
  '=HYPERLINK("example.org";"click")',
  '+1+1',
  '-2',
  '@SUM(A1)',
  '\tfirst',
  '\rfirst',
  'quote \' and " and , comma',
  '<style>*{display:none}',
  'tag \u{e0041}',
].map((name) => Buffer.from(name))

export const oddNames: readonly Buffer[] = [...hostileNames, ...actingNames]

/** Leaves of every outcome and kind, in order. */
export function sampleLeaves(): readonly ReportLeaf[] {
  const large = chunksOf(200 * MiB, 64 * MiB, 'large')
  const proofless = { chunks: [], seal: null, key: null } as const
  const leaves: ReportLeaf[] = [
    ...oddNames.map((name) => leafOf(name)),
    leafOf('archive', { kind: 'directory', size: 0, chunks: [[0, 0, digestOf('')]] }),
    leafOf('archive/large.bin', { size: 200 * MiB, chunks: large }),
    leafOf('archive/damaged.bin', {
      size: 200 * MiB,
      chunks: large,
      outcome: 'mismatched',
      code: 'DIGEST_MISMATCH',
      found: [
        [64 * MiB, 64 * MiB, digestOf('other')],
        [192 * MiB, 8 * MiB, null],
      ],
    }),
    leafOf('archive/gone.txt', { outcome: 'missing', code: 'TARGET_MISSING' }),
    leafOf('archive/locked', { ...proofless, outcome: 'failed', code: 'SOURCE_UNREADABLE' }),
    leafOf('archive/moving.log', { ...proofless, outcome: 'changed', code: 'SOURCE_CHANGED' }),
    leafOf('archive/there.txt', { outcome: 'already_there' }),
    leafOf('archive/unread.bin', { outcome: 'unverifiable', code: 'TARGET_UNREADABLE' }),
    leafOf('archive/pipe', { ...proofless, kind: 'special', size: 0, outcome: 'skipped', code: 'SPECIAL_FILE' }),
    leafOf('archive/link', {
      ...proofless,
      kind: 'symlink',
      size: 6,
      outcome: 'skipped',
      code: 'IN_MANIFEST',
      link: Buffer.from('../x\xff', 'latin1').toString('base64'),
    }),
    leafOf('archive/empty', { size: 0, chunks: [[0, 0, digestOf('')]] }),
  ]
  return inOrder(leaves)
}

export function inOrder(leaves: readonly ReportLeaf[]): readonly ReportLeaf[] {
  const place = (leaf: ReportLeaf): Buffer => orderOf(Buffer.from(leaf.name, 'base64'), leaf.kind)
  return [...leaves].sort((left, right) => Buffer.compare(place(left), place(right)))
}

export function totalsOf(change: Partial<Totals>): Totals {
  return { ...emptyTotals, ...change }
}

export function factsOf(leaves: readonly ReportLeaf[], change: Partial<ReportFacts> = {}): ReportFacts {
  const count = countTotals()
  for (const leaf of leaves) count.add(leaf)
  const tallies = Object.values(count.totals())
  return {
    job: 'archive-2026',
    pass: 1,
    state: 'completed',
    software: 'waybill 0.1.0',
    started_at: '2026-03-01T08:00:00.000Z',
    ended_at: '2026-03-01T09:12:41.000Z',
    listed: {
      items: tallies.reduce((sum, tally) => sum + tally.items, 0),
      bytes: tallies.reduce((sum, tally) => sum + tally.bytes, 0),
    },
    has_selection: false,
    source: { location: '/srv/archive', root_identity: '2049:2', read_view: 'live files' },
    target: { location: 's3://vault/archive' },
    configuration: { chunk_bytes: 64 * MiB, verify: 'full', rules: [{ action: 'exclude', glob: '*.tmp' }] },
    abilities: { kind: 's3', creates_only_if_absent: true, server: 'versitygw', clock_offset_ms: -12 },
    proof: {
      mode: 'full',
      sample_percent: 100,
      rounds: 1,
      readers: ['verifier-1'],
      has_own_credentials: false,
      chunks_cache_bypassed: 30,
      chunks_through_cache: 2,
    },
    moved: { source_bytes_read: 419_430_700, target_bytes_written: 419_430_700, target_bytes_read: 419_430_700 },
    reconciliation: {
      mode: 'listing',
      objects: 40,
      bytes: 419_430_700,
      differing: 1,
      strangers: 0,
      stranger_samples: [],
    },
    vanished: 0,
    findings: { OWNER_NOT_SET: 2 },
    notes: ['the target was probed with 19 requests'],
    ...change,
  }
}

export async function* streamOf(leaves: readonly ReportLeaf[]): AsyncGenerator<ReportLeaf> {
  for (const leaf of leaves) yield await Promise.resolve(leaf)
}

export async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-report-'))
  // Not by Node's own call, which cannot reach paths of more than 4,095 bytes.
  context.after(() => run('rm', ['-rf', '--', folder], '/'))
  return folder
}
