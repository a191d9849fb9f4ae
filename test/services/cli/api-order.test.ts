// What the command line asks the API for is what it would ask a cluster for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectOptionsText } from '#libs/domain/object-options'
import type { JobRequest } from '#schemas/records'
import { orderOf } from '#services/api/migration-order'
import { apiOrderOf } from '#services/cli/api-order'
import { plainConnections } from '#test/support/api-world'
import { smallRequest } from '#test/support/memory-migration'

const bare: JobRequest = {
  ...smallRequest,
  source: '@disk/a',
  target: '@vault/a',
  chunkBytes: 64 * 1024 ** 2,
  storesEntries: false,
}

const full: JobRequest = {
  ...bare,
  target: '@bucket/a',
  targetOptions: Object.fromEntries(
    objectOptionsText({
      storageClass: 'STANDARD_IA',
      encryption: 'aws:kms',
      encryptionKey: 'key-1',
      metadata: [['team', 'archive']],
      tags: [['year', '2026']],
    }),
  ),
  chunkBytes: 5 * 1024 ** 2,
  rules: [
    { action: 'exclude', glob: '*.tmp' },
    { action: 'include', glob: '**' },
  ],
  sizeBytesMin: 1,
  sizeBytesMax: 1_000_000,
  modifiedAfterMs: 1_700_000_000_123,
  symlinks: 'skip',
  storesEntries: true,
  overwrite: 'different',
  verify: 'sample',
  samplePercent: 7,
  reconcile: 'full',
  throughputBytesPerSecond: 123_456_789,
  sourcePeakBytesPerSecond: 2_000_000_001,
  workersMax: 3,
  priority: 'high',
  errorsMax: '0.5%',
}

test('what the API makes of an order is the request that was meant, to the byte', async () => {
  const timed: JobRequest = { ...bare, throughputTimetable: '400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin' }
  for (const request of [bare, full, timed]) {
    const body = JSON.parse(JSON.stringify(apiOrderOf(request, 'named')))
    assert.equal(body.job_id, 'named')
    assert.deepEqual(await orderOf({ connections: plainConnections('/nowhere') }, body), request)
  }
})
