// The scripts are loaded by the real shells; a shell that is not installed is said to be skipped.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { commandNames } from '#services/cli/commands'
import { bashCompletion } from '#services/cli/completion-bash'
import { fishCompletion } from '#services/cli/completion-fish'
import { zshCompletion } from '#services/cli/completion-zsh'

const folder = mkdtempSync(join(tmpdir(), 'waybill-completion-'))
after(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'a file'), '')

function run(shell: string, words: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(shell, words, { cwd: folder, encoding: 'utf8', timeout: 20_000 })
  assert.equal(stderr, '', shell)
  assert.equal(status, 0, shell)
  return stdout
}

const missing = (shell: string): string | false =>
  spawnSync(shell, ['--version']).status === 0 ? false : `${shell} is not installed`

const jobCommands = commandNames.flatMap((name) => (name.startsWith('jobs ') ? [name.slice(5)] : [])).sort()

function completeInBash(...words: readonly string[]): readonly string[] {
  const list = words.map((word) => `'${word}'`).join(' ')
  const program = `source script.bash; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _waybill; printf '%s\\n' "\${COMPREPLY[@]}"`
  return run('bash', ['-c', program])
    .split('\n')
    .filter((word) => word !== '')
}

test('bash offers commands, options, words and files where they can stand', { skip: missing('bash') }, () => {
  writeFileSync(join(folder, 'script.bash'), bashCompletion())
  assert.ok(completeInBash('waybill', '').includes('migrate'))
  assert.ok(completeInBash('waybill', '').includes('serve'))
  assert.deepEqual(completeInBash('waybill', 'jobs', '').toSorted(), jobCommands)
  assert.deepEqual(completeInBash('waybill', 'migrate', '--mem'), ['--memory'])
  assert.deepEqual(completeInBash('waybill', 'version', '--mem'), [])
  assert.deepEqual(completeInBash('waybill', 'migrate', '--progress', 'b'), ['block'])
  assert.deepEqual(completeInBash('waybill', 'migrate', '--progress', '=', 'b'), ['block'])
  assert.deepEqual(completeInBash('waybill', '--memory', '1GB', 'rep'), ['report'])
  assert.deepEqual(completeInBash('waybill', 'completion', 'f'), ['fish'])
  assert.deepEqual(completeInBash('waybill', 'migrate', 'a'), ['a file'])
  assert.deepEqual(completeInBash('waybill', 'migrate', '--memory', ''), [])
})

test('fish offers the same', { skip: missing('fish') }, () => {
  writeFileSync(join(folder, 'script.fish'), fishCompletion())
  const complete = (line: string): readonly string[] =>
    run('fish', ['--no-config', '-c', `source script.fish; complete -C '${line}'`])
      .split('\n')
      .map((each) => each.split('\t')[0] ?? '')
      .filter((word) => word !== '')
  assert.ok(complete('waybill ').includes('migrate'))
  assert.deepEqual(complete('waybill jobs ').toSorted(), jobCommands)
  assert.deepEqual(complete('waybill migrate --mem'), ['--memory'])
  assert.deepEqual(complete('waybill migrate --progress b'), ['block'])
  assert.deepEqual(complete('waybill --memory 1GB rep'), ['report'])
  assert.deepEqual(complete('waybill completion f'), ['fish'])
})

test('zsh loads the script and offers the same', { skip: missing('zsh') }, () => {
  writeFileSync(join(folder, '_waybill'), zshCompletion())
  const stubs = `compdef() { :; }; compset() { :; }; _message() { :; }; _files() { print -r -- FILES; }
    compadd() { shift; print -rl -- $@; }; _describe() { local name=$@[-1]; print -rl -- \${\${(P)name}%%:*}; }`
  const complete = (...words: readonly string[]): readonly string[] =>
    run('zsh', [
      '-fc',
      `${stubs}; source ./_waybill; words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}; _waybill`,
    ])
      .split('\n')
      .filter((word) => word !== '')
  assert.ok(complete('waybill', '').includes('migrate'))
  assert.deepEqual(complete('waybill', 'jobs', '').toSorted(), jobCommands)
  assert.ok(complete('waybill', 'migrate', '--').includes('--memory'))
  assert.ok(complete('waybill', 'migrate', '--progress', '').includes('block'))
  assert.ok(complete('waybill', '--memory', '1GB', '').includes('report'))
  assert.deepEqual(complete('waybill', 'completion', ''), ['bash', 'zsh', 'fish'])
  assert.deepEqual(complete('waybill', 'migrate', ''), ['FILES'])
})
