import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { commandNames, laterCommands } from '#services/cli/commands'
import { laterOptions, optionEntry, optionNames } from '#services/cli/options'
import { type CommandLine, parseCommandLine } from '#services/cli/parser'
import { createPlace, runProgram } from './program.ts'

const place = createPlace()
after(place.remove)

function problemOf(...words: readonly string[]): string {
  const result = parseCommandLine(words)
  assert.ok(!result.ok, `${words.join(' ')} was accepted`)
  return `${result.code}: ${result.problem}`
}

function lineOf(...words: readonly string[]): CommandLine {
  const result = parseCommandLine(words)
  assert.ok(result.ok, result.ok ? '' : result.problem)
  return result.line
}

test('what is not understood is one sentence that helps', () => {
  const wrong: readonly [readonly string[], RegExp][] = [
    [['mirgate', 'a', 'b'], /unknown command mirgate; did you mean migrate\?/],
    [['mig'], /did you mean migrate\?/],
    [['xyzzy'], /unknown command xyzzy$/],
    [['migrate'], /migrate needs SOURCE/],
    [['migrate', 'a'], /migrate needs TARGET/],
    [['migrate', 'a', 'b', 'c'], /takes no further word, but found c/],
    [['migrate', '', 'b'], /empty word/],
    [['migrate', 'a', 'b', '--memroy', '1GB'], /unknown option --memroy; did you mean --memory\?/],
    [['migrate', 'a', 'b', '--memory'], /--memory needs a value: --memory SIZE/],
    [['migrate', 'a', 'b', '--memory', '--json'], /needs a value, but --json follows/],
    [['migrate', 'a', 'b', '--json', '--json'], /--json is given twice/],
    [['migrate', 'a', 'b', '--memory=1GB', '--memory', '2GB'], /--memory is given twice/],
    [['migrate', 'a', 'b', '--json=yes'], /--json takes no value/],
    [['migrate', 'a', 'b', '-x'], /unknown option -x/],
    [['migrate', 'a', 'b', '-qx'], /unknown option -x/],
    [['migrate', 'a', 'b', '--no-json'], /unknown option --no-json/],
    [['report', 'show', 'x', '--throughput', '1MB/s'], /report show has no option --throughput/],
    [['jobs'], /needs one more word: waybill jobs list, waybill jobs show/],
    [['jobs', 'lsit'], /did you mean jobs list\?/],
    [['--json'], /no command is given/],
  ]
  for (const [words, sentence] of wrong) {
    const problem = problemOf(...words)
    assert.match(problem, /^USAGE: [^\n]+$/)
    assert.match(problem, sentence)
  }
})

test('options stand anywhere, letters may be joined, and -- ends them', () => {
  assert.deepEqual(lineOf('-v', 'migrate', 'a', '--json', 'b', '-q0').words, ['a', 'b'])
  const joined = lineOf('migrate', 'a', 'b', '-q0y')
  assert.deepEqual(
    joined.options.map(({ name }) => name),
    ['quiet', 'null', 'yes'],
  )
  assert.deepEqual(lineOf('migrate', '--json', '--', '-a', '--b').words, ['-a', '--b'])
  assert.deepEqual(lineOf('migrate', 'a', 'b', '--files-from', '-').options, [{ name: 'files-from', text: '-' }])
  assert.deepEqual(lineOf('migrate', 'a', 'b', '--exclude=-x').options, [{ name: 'exclude', text: '-x' }])
})

test('a dry run is plan, so that nothing of migrate can run by mistake', () => {
  assert.equal(lineOf('migrate', 'a', 'b', '--dry-run').command, 'plan')
  assert.equal(lineOf('migrate', 'a', 'b').command, 'migrate')
})

test('filters keep the order in which they were typed', () => {
  const { options } = lineOf(
    'migrate',
    'a',
    'b',
    '--exclude',
    '1',
    '--include',
    '2',
    '--filter-from',
    '3',
    '--exclude',
    '4',
  )
  assert.deepEqual(
    options.map(({ name, text }) => `${name} ${text}`),
    ['exclude 1', 'include 2', 'filter-from 3', 'exclude 4'],
  )
})

test('options for objects at S3 that cannot be meant are refused, each in a sentence', async (t) => {
  const place = createPlace()
  t.after(place.remove)
  const cases: readonly (readonly [words: readonly string[], says: RegExp])[] = [
    [['s3://bucket', '--metadata', 'mtime=1'], /--metadata: "mtime" is set by waybill itself/],
    [['s3://bucket', '--metadata', 'a=1', '--metadata', 'A=2'], /"a" is given twice/],
    [['s3://bucket', '--tag', 'plain'], /--tag: "plain" is not of the form NAME=VALUE/],
    [['s3://bucket', '--sse-kms-key-id', 'k'], /--sse-kms-key-id needs --sse aws:kms/],
    [['s3://bucket', '--sse', 'rot13'], /--sse: "rot13" is not one of AES256/],
    [['s3://bucket', '--storage-class', 'DEEP_ARCHIVE'], /cannot be read back/],
    [['folder', '--storage-class', 'STANDARD'], /--storage-class speaks of S3, and the target is a folder/],
  ]
  const ends = await Promise.all(cases.map(([words]) => runProgram(['plan', '.', ...words], place)))
  for (const [index, { code, notices }] of ends.entries()) {
    assert.equal(code, 2, notices)
    assert.match(notices, cases[index]?.[1] ?? /never/)
  }
})

test('what is not there yet says so, and help does not name it', () => {
  for (const command of laterCommands)
    assert.match(problemOf(...command.split(' ')), /^NOT_SUPPORTED: .* is not supported yet$/)
  for (const option of laterOptions) assert.match(problemOf('migrate', 'a', 'b', `--${option}`), /^NOT_SUPPORTED/)
  for (const command of laterCommands) assert.ok(!commandNames.some((name) => name === command))
})

test('help and version are answered wherever they are asked', () => {
  assert.deepEqual(lineOf('migrate', 'a', 'b', '--help'), { command: 'help', words: ['migrate'], options: [] })
  assert.deepEqual(lineOf('jobs', 'show', '-h').words, ['jobs', 'show'])
  assert.deepEqual(lineOf('jobs', '-h').words, ['jobs'])
  assert.equal(lineOf('-h').command, 'help')
  assert.equal(lineOf().command, 'help')
  assert.equal(lineOf('migrate', '--version').command, 'version')
})

test('every option has one letter at most, one purpose and a help of one line', () => {
  const letters = optionNames.map((name) => optionEntry(name).short).filter((letter) => letter !== undefined)
  assert.equal(new Set(letters).size, letters.length)
  for (const name of optionNames) {
    const entry = optionEntry(name)
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/)
    assert.ok(entry.help.length > 0 && entry.help.length < 100 && !entry.help.includes('\n'), name)
    const texts = entry.show(entry.initial)
    if (texts.length > 0) assert.deepEqual(entry.read(texts), { ok: true, value: entry.initial }, name)
  }
})

test('the program ends with 2 and one line for a usage error, and never with a stack', async () => {
  const end = await runProgram(['migrate', 'a', 'b', '--memory', '64M'], place)
  assert.deepEqual(end, {
    code: 2,
    output: '',
    notices: 'waybill: USAGE: --memory: "64M" is not clear; write MiB (of 1,024) or MB (of 1,000)\n',
  })
  const unknown = await runProgram(['migrat'], place)
  assert.deepEqual(
    [unknown.code, unknown.notices],
    [2, 'waybill: USAGE: unknown command migrat; did you mean migrate?\n'],
  )
})

test('with --json an error is one object on standard output', async () => {
  const end = await runProgram(['jobs', 'pause', '--json'], place)
  assert.equal(end.code, 2)
  const told = JSON.parse(end.output)
  assert.deepEqual([told.verdict, told.exit_code, told.error.code], ['error', 2, 'USAGE'])
})

test('version answers in words and as JSON, also with a broken environment', async () => {
  const broken = { ...place, environment: { WAYBILL_MEMORY: 'lots' } }
  const [words, json] = await Promise.all([
    runProgram(['version'], broken),
    runProgram(['--version', '--json'], broken),
  ])
  assert.match(words.output, /^waybill \d+\.\d+\.\d+ \(Node \d+\.\d+\.\d+, \w+ \w+\)\n$/)
  assert.equal(JSON.parse(json.output).name, 'waybill')
  const other = await runProgram(['config', 'show'], broken)
  assert.deepEqual(
    [other.code, other.notices],
    [2, 'waybill: USAGE: WAYBILL_MEMORY: "lots" is not a size; write for example 64MiB or 100GB\n'],
  )
})

test('a reader that goes away is no error', async () => {
  const { spawnSync } = await import('node:child_process')
  const command = `"${process.execPath}" --conditions=source --disable-warning=ExperimentalWarning services/cli/main.ts help migrate | head -1; echo "\${PIPESTATUS[0]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.match(stdout, /^waybill migrate SOURCE TARGET \[options\]\n0\n$/)
})
