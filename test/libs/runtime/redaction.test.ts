import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { WaybillError } from '#libs/domain/errors'
import { openLogger, silentLogger } from '#libs/runtime/logger'
import { redactText, redactValue } from '#libs/runtime/redaction'

const secret = 'hunter2-XyZ'

test('passwords of URIs, signed queries and authorization headers do not come through', () => {
  const texts = [
    `postgres://user:${secret}@host/db`,
    `cannot open s3://KEY:${secret}@bucket/prefix`,
    `http://user:a@b${secret}@host/`,
    `https://host/key?X-Amz-Signature=${secret}&x=1`,
    `https://host/key?a=1&X-Amz-Security-Token=${secret}`,
    `https://host/?api_key=${secret}`,
    `Authorization: AWS4-HMAC-SHA256 Credential=${secret}`,
  ]
  for (const text of texts) assert.ok(!redactText(text).includes(secret), redactText(text))
  assert.equal(redactText('https://host:8080/a@b and s3://bucket/x:y'), 'https://host:8080/a@b and s3://bucket/x:y')
})

test('fields with telling names are redacted at any depth, errors with their causes', () => {
  const error = new Error(`failed for https://u:${secret}@h/`, { cause: { password: secret } })
  const shown = JSON.stringify(redactValue({ a: [{ secretAccessKey: secret }], sessionToken: secret, error }))
  assert.ok(!shown.includes(secret), shown)
  assert.ok(shown.includes('failed for https://u:[redacted]@h/'))
  assert.equal(redactValue(5), 5)
})

test('no text makes redaction slow or longer than it may get', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a://', ':', '@', '/', 'x', '?token=', '&'), { maxLength: 2000 }),
      (pieces) => {
        const text = pieces.join('')
        const startedAt = performance.now()
        redactText(text)
        assert.ok(performance.now() - startedAt < 500)
      },
    ),
    { numRuns: 30 },
  )
})

test('log lines are JSON, readable by their owner alone, with names as people see them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-log-'))
  try {
    const file = join(folder, 'run.log')
    const logger = openLogger({ file, isVerbose: false, isService: false })
    logger.debug({}, 'not written')
    logger
      .child({ job: 'j', token: secret })
      .warn({ name: Buffer.from([0x61, 0x0a, 0xff]), uri: `s3://k:${secret}@b` }, 'chunk failed, will retry')
    logger.flush()
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(lines.length, 1)
    const { level, job, token, name, uri, msg } = lines[0]
    assert.deepEqual(
      { level, job, token, name, uri, msg },
      {
        level: 'warn',
        job: 'j',
        token: '[redacted]',
        name: 'a%0A%FF',
        uri: 's3://k:[redacted]@b',
        msg: 'chunk failed, will retry',
      },
    )
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(openLogger({ file: null, isVerbose: false, isService: false }), silentLogger)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('an expected error is one short line, with its code, facts and cause; others and verbose lines have a stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-log-'))
  try {
    const file = join(folder, 'run.log')
    const cause = new Error(`ENOENT: no such file, open s3://k:${secret}@b`)
    const expected = new WaybillError('SOURCE_MISSING', { path: '/data' }, { cause })
    for (const isVerbose of [false, true]) {
      const logger = openLogger({ file, isVerbose, isService: true })
      logger.error({ error: expected }, 'a role ended')
      logger.error({ error: new TypeError('x is not a function') }, 'a role ended')
      logger.flush()
    }
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    const [short, unexpected, verbose] = lines.map((line) => JSON.parse(line).error)
    assert.equal(short.code, 'SOURCE_MISSING')
    assert.deepEqual(short.facts, { path: '/data' })
    assert.equal(short.cause, 'ENOENT: no such file, open s3://k:[redacted]@b')
    assert.doesNotMatch(lines[0] ?? '', /redaction\.test/)
    assert.match(unexpected.stack, /redaction\.test/)
    assert.match(verbose.stack, /redaction\.test/)
    assert.match(verbose.cause.stack, /redaction\.test/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
