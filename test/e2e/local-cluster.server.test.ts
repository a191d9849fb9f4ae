import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { withKafka } from '#test/support/kafka-cluster'
import { withRegistry } from '#test/support/registry-server'

const script = join(import.meta.dirname, '../../scripts/local-cluster.ts')

interface End {
  readonly code: number | null
  readonly output: string
}

function runScript(words: readonly string[]): Promise<End> {
  const args = ['--conditions=source', '--disable-warning=ExperimentalWarning', script, ...words]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 240_000 })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

withKafka(() => {
  withRegistry(() => {
    test('one command runs a whole cluster, moves a tree that a plain producer asked for, and stops all of it', async () => {
      const { code, output } = await runScript(['--small-files', '200', '--large-mib', '130'])
      assert.equal(code, 0, output)
      assert.match(output, /7? processes serve: coordinator-1, coordinator-2, worker-1, .*, api-1\n/)
      assert.match(output, /\nverdict +Read back from the target and equal .*\(exit code 0\)\n/)
      assert.match(output, /\nequal +source and target are equal for diff -r\n$/)
      assert.equal(output.match(/, ended with 0\n/g)?.length, 8)
    })
  })

  test('what it does not understand it says', async () => {
    const { code, output } = await runScript(['--workers', 'many'])
    assert.equal(code, 2)
    assert.match(output, /--workers is not a whole number\nusage: /)
  })
})
