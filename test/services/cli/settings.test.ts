import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { WaybillError } from '#libs/domain/errors'
import { type Environment, readEnvironment } from '#libs/runtime/environment'
import { parseConfig } from '#services/cli/config-file'
import { resolveSettings } from '#services/cli/settings'
import { createPlace, runProgram } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-settings-'))
after(() => rmSync(folder, { recursive: true }))

function environmentOf(variables: Readonly<Record<string, string>> = {}): Environment {
  return readEnvironment({ HOME: folder, XDG_CONFIG_HOME: join(folder, 'config'), ...variables })
}

function writeConfig(text: string): void {
  mkdirSync(join(folder, 'config/waybill'), { recursive: true })
  writeFileSync(join(folder, 'config/waybill/config.toml'), text)
}

test('flags beat the environment, which beats the file, which beats defaults', async () => {
  writeConfig('memory = "128MiB"\nconcurrency = 7\nstore-entries = true\n')
  const environment = environmentOf({ WAYBILL_MEMORY: '256MiB', WAYBILL_CONCURRENCY: '' })
  const typed = [{ name: 'memory', text: '1GiB' }] as const
  const mib = 1024 ** 2
  const { settings, origins } = await resolveSettings(typed, environment)
  assert.equal(settings.memory, 1024 * mib)
  assert.equal(settings.concurrency, 7)
  assert.equal(settings['store-entries'], true)
  assert.equal(settings['chunk-size'], 64 * mib)
  assert.deepEqual(origins.get('memory'), { kind: 'flag' })
  assert.equal(origins.get('concurrency')?.kind, 'config')
  assert.equal(origins.get('chunk-size')?.kind, 'default')
  const without = await resolveSettings([], environment)
  assert.equal(without.settings.memory, 256 * mib)
  assert.deepEqual(without.origins.get('memory'), { kind: 'environment', variable: 'WAYBILL_MEMORY' })
})

test('a file in the working folder is not read, and a named one must be there', async () => {
  writeConfig('')
  const place = createPlace()
  after(place.remove)
  writeFileSync(join(place.folder, 'waybill.toml'), 'memory = "128MiB"\n')
  const shown = await runProgram(['config', 'show', '--json'], place)
  assert.equal(JSON.parse(shown.output).options.memory, '384MiB')
  const named = await runProgram(['config', 'show', '--json', '--origin', '--config', './waybill.toml'], place)
  const { memory } = JSON.parse(named.output).options
  assert.equal(memory.value, '128MiB')
  assert.ok(memory.origin.endsWith('/waybill.toml'))
  const missing = await runProgram(['config', 'check', '--config', 'nothing.toml'], place)
  assert.equal(missing.code, 2)
  assert.match(missing.notices, /^waybill: CONFIG_INVALID: \/.*nothing\.toml: there is no such file\n$/)
})

test('what is wrong in a file is told with its place', () => {
  const wrong: readonly [string, RegExp][] = [
    ['memory = 64MiB\n', /^line 1: /],
    ['a = 1\nb = [\n', /^line \d: /],
    ['memroy = "64MiB"\n', /^line 1: unknown key "memroy"; did you mean "memory"\?$/],
    ['include = ["*"]\n', /^line 1: "include" can be given on the command line only$/],
    ['memory = true\n', /^line 1: "memory" has a value of the wrong kind$/],
    ['store-entries = "maybe"\n', /^line 1: "store-entries": "maybe" is neither true nor false$/],
    ['memory = "0"\n', /^line 1: "memory": .*more than 0$/],
    ['[aliases]\n"../x" = "/a"\n', /^line 2: .*no name for an alias/],
    ['[aliases]\nx = 5\n', /must be a location in quotes/],
    ['aliases = 5\n', /must be a table/],
  ]
  for (const [text, sentence] of wrong) {
    assert.throws(
      () => parseConfig(text, 'file'),
      (error) =>
        error instanceof WaybillError &&
        error.code === 'CONFIG_INVALID' &&
        sentence.test(String(error.facts['problem'])),
      text,
    )
  }
})

test('what is said of a configuration that is no TOML quotes no line of it, nor does its stack', () => {
  assert.throws(
    () => parseConfig('[kafka]\nsasl_password = "planted\n', 'file'),
    (error) => !inspect(error).includes('planted') && inspect(error).includes('line 2'),
  )
})

test('a misspelt variable is told, one of something else is not', async () => {
  writeConfig('')
  const { warnings } = await resolveSettings([], environmentOf({ WAYBILL_MEMROY: '1GB', WAYBILL_CI_SCRATCH: 'x' }))
  assert.deepEqual(warnings, ['the variable WAYBILL_MEMROY is not used; did you mean WAYBILL_MEMORY?'])
})

test('what must be typed cannot come from the environment', async () => {
  writeConfig('')
  const { settings } = await resolveSettings(
    [],
    environmentOf({ WAYBILL_YES: '1', WAYBILL_INCLUDE: '*', WAYBILL_JOB: 'x' }),
  )
  assert.equal(settings.yes, false)
  assert.deepEqual(settings.include, [])
  assert.equal(settings.job, null)
})

test('the environment is read as other programs read it', () => {
  const environment = environmentOf({
    XDG_STATE_HOME: 'relative/is/ignored',
    AWS_ENDPOINT_URL: 'http://general',
    AWS_ENDPOINT_URL_S3: 'http://special',
    https_proxy: 'http://lower',
    HTTPS_PROXY: 'http://upper',
    NO_PROXY: 'localhost, .example.com',
    NO_COLOR: '',
    LC_ALL: 'C',
  })
  assert.equal(environment.stateFolder, join(folder, '.local/state/waybill'))
  assert.equal(environment.configFolder, join(folder, 'config/waybill'))
  assert.equal(environment.aws.endpoint, 'http://special')
  assert.deepEqual(environment.proxies, { http: null, https: 'http://lower', none: ['localhost', '.example.com'] })
  assert.equal(environment.hasNoColor, false)
  assert.equal(environment.isUnicode, false)
})

test('keygen writes a pair once, and a secret in an alias is not shown', async () => {
  const place = createPlace()
  after(place.remove)
  mkdirSync(join(place.folder, 'config/waybill'), { recursive: true })
  writeFileSync(join(place.folder, 'config/waybill/config.toml'), '[aliases]\nold = "s3://KEY:hunter2@bucket/x"\n')
  const [first, shown] = await Promise.all([
    runProgram(['keygen', 'a.key', '--json'], place),
    runProgram(['config', 'show'], place),
  ])
  assert.equal(first.code, 0)
  assert.match(JSON.parse(first.output).fingerprint, /^[0-9a-f]{64}$/)
  assert.match(shown.output, /@old = s3:\/\/KEY:\[redacted\]@bucket\/x/)
  const second = await runProgram(['keygen', 'a.key'], place)
  assert.equal(second.code, 2)
  assert.match(second.notices, /^waybill: KEY_INVALID: [^\n]*there already[^\n]*\n$/)
})
