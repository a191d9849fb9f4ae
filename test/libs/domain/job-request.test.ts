import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobRequestProblem } from '#libs/domain/job-request'
import type { JobRequest } from '#schemas/records'
import { refusalOf } from '#services/serve/places'
import { smallRequest } from '../../support/memory-migration.ts'

const request: JobRequest = { ...smallRequest, chunkBytes: 64 * 1024 ** 2, source: '@nas/a', target: '@copy/a' }

test('a request as the command line makes it can be worked on', () => {
  assert.equal(jobRequestProblem(request), null)
  const full = { throughputBytesPerSecond: 1, workersMax: 3, errorsMax: '0.5%', sizeBytesMin: 0, samplePercent: 0 }
  assert.equal(jobRequestProblem({ ...request, ...full }), null)
})

/** What a program that writes to the log may say, and no option of ours. */
const impossible: Readonly<Record<string, unknown>> = {
  layout: 'chunks',
  symlinks: 'follow',
  overwrite: 'ALWAYS',
  verify: '',
  reconcile: 'yes',
  priority: 'urgent',
  chunkBytes: 0,
  sizeBytesMin: -1,
  sizeBytesMax: -1,
  samplePercent: 101,
  throughputBytesPerSecond: 0,
  sourcePeakBytesPerSecond: -5,
  workersMax: 0,
  errorsMax: 'many',
  throughputTimetable: 'sometimes',
  rules: [{ action: 'include', glob: '[' }],
}

const strangeOptions: readonly Readonly<Record<string, string>>[] = [
  { storageClass: 'GLACIER' },
  { storageClass: 'STANDARD\r\nx-amz-acl: public-read' },
  { sse: 'rot13' },
  { sse: 'aws:kms', sseKmsKeyId: 'a\r\nb' },
  { 'metadata.owner': 'me\r\nx-amz-acl: public-read' },
  { 'metadata.waybill': 'mine' },
  { 'tag.aws:own': 'x' },
]

const cases = [
  ...Object.entries(impossible),
  ['rules', [{ action: 'maybe', glob: '**' }]] as const,
  ...strangeOptions.map((options) => ['targetOptions', options] as const),
]

for (const [name, value] of cases) {
  test(`a request is refused before it is accepted for ${name} ${JSON.stringify(value)}`, () => {
    const wrong = { ...request, [name]: value } as JobRequest
    assert.notEqual(jobRequestProblem(wrong), null)
    assert.equal(refusalOf(wrong, new Map()), 'USAGE')
  })
}
