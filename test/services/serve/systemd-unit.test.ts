// docs/waybill.service: what it starts is understood by the program, and systemd understands the rest.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseCommandLine } from '#services/cli/parser'

const unit = readFileSync(join(import.meta.dirname, '../../../docs/waybill.service'), 'utf8')

test('the unit starts the program, and tells of making tokens, in words that the program takes', () => {
  const commands = [/^ExecStart=\S+\/waybill (.*)$/m, /^# Tokens: .* waybill (tokens .*)$/m].map(
    (pattern) => pattern.exec(unit)?.[1]?.split(' ') ?? [],
  )
  assert.deepEqual(
    commands.map((words) => {
      const parsed = parseCommandLine(words)
      return parsed.ok ? parsed.line.command : parsed.problem
    }),
    ['serve', 'tokens create'],
  )
  // Tokens are made where the process looks for them.
  assert.match(unit, /--state-dir \/var\/lib\/waybill$/m)
  assert.match(unit, /^StateDirectory=waybill$/m)
  assert.match(unit, /^Environment=XDG_STATE_HOME=\/var\/lib$/m)
})

test('systemd finds nothing wrong with the unit', (context) => {
  if (spawnSync('systemd-analyze', ['--version']).error !== undefined) {
    context.skip('no systemd-analyze here')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'waybill-unit-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'waybill.service')
  // The program is not installed here: anything that can be started stands for it.
  writeFileSync(path, unit.replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'))
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--recursive-errors=no', path], {
    encoding: 'utf8',
  })
  // Words that it does not know are told and no error.
  const told = stderr.split('\n').filter((line) => line.includes('waybill.service'))
  assert.deepEqual([status, told], [0, []])
})
