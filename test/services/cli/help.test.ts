import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandNames, commandTable } from '#services/cli/commands'
import { exitMeanings } from '#services/cli/exit-codes'
import { commandHelp, generalHelp, groupHelp } from '#services/cli/help'
import { optionNames, optionsOf } from '#services/cli/options'
import { optionsPage } from '#services/cli/options-page'
import { parseCommandLine } from '#services/cli/parser'

const root = join(import.meta.dirname, '../../..')

test('docs/options.md is what the tables say (npm run generate)', () => {
  assert.equal(readFileSync(join(root, 'docs/options.md'), 'utf8'), optionsPage())
})

test('every option and command stands on the options page', () => {
  const page = optionsPage()
  for (const name of optionNames) assert.ok(page.includes(`--${name}`), name)
  for (const name of commandNames) assert.ok(page.includes(`waybill ${name}`), name)
})

test('the help of a command names each of its options once, and its examples are understood', () => {
  for (const name of commandNames) {
    const text = commandHelp(name, 80)
    assert.ok(text.startsWith(`waybill ${name}`), name)
    for (const option of optionsOf(name))
      assert.match(text, new RegExp(`^  (-\\w, )?--${option}( |$)`, 'm'), `${name} ${option}`)
    for (const example of commandTable[name].examples) {
      assert.ok(text.includes(`\n  ${example}\n`), example)
      const words = example.replaceAll("'", '').split(' ').slice(1)
      assert.ok(parseCommandLine(words).ok, example)
    }
  }
})

test('help fits the terminal from 80 columns on, and the general help names commands and exit codes', () => {
  for (const columns of [80, 90, 100, 200]) {
    const texts = [
      generalHelp(columns),
      groupHelp('jobs', columns),
      ...commandNames.map((name) => commandHelp(name, columns)),
    ]
    // Examples and completion paths are to be copied in one piece.
    const lines = texts
      .join('')
      .split('\n')
      .filter((line) => !/^ {2}waybill|completion/.test(line))
    for (const line of lines) assert.ok(line.length <= Math.min(100, columns), `${columns}: ${line}`)
  }
  const general = generalHelp(null)
  for (const name of commandNames) assert.ok(general.includes(`  ${name}`), name)
  for (const { code, meaning } of exitMeanings)
    assert.match(general, new RegExp(`^  ${code} +${meaning.slice(0, 20).replace(/[()]/g, '.')}`, 'm'))
})

test('the help of migrate reads as it should', () => {
  const text = commandHelp('migrate', 100)
  const selection = text.slice(text.indexOf('Selection:'), text.indexOf('Copy:'))
  assert.equal(
    selection,
    `Selection:
  --include GLOB                move what matches; with it, what no rule matches is left out; may be
                                repeated
  --exclude GLOB                leave out what matches; of all rules the first that matches decides;
                                may be repeated
  --filter-from FILE            rules from a file, one a line: "+ GLOB" or "- GLOB"; may be repeated
  --files-from FILE|-           move only the items named in the file, or on standard input
  -0, --null                    names in --files-from end with a zero byte, not with a line end
  --min-size SIZE               leave out smaller files
  --max-size SIZE               leave out larger files
  --modified-after TIME         leave out files that were not modified after this time

`,
  )
  assert.ok(text.includes('  --memory SIZE                 bound on payload bytes in flight (384MiB)\n'))
})
