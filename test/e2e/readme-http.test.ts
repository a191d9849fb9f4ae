// The commands of the README's section on HTTP, as they stand there; the port alone is another one, since this machine may
// use that of the README.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { compareFolders } from '../support/foreign-tools.ts'
import { freePort } from '../support/s3-server.ts'

const root = join(import.meta.dirname, '../..')

function commandsOf(section: string): readonly string[] {
  const text = readFileSync(join(root, 'README.md'), 'utf8').split(`## ${section}\n`)[1]?.split('\n## ')[0] ?? ''
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1] ?? '')
}

test('the commands of the README move the samples by HTTP and show their report', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-readme-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  // The commands are run in a checkout.
  for (const name of ['samples', 'package.json', 'node_modules', 'services', 'libs', 'schemas', 'docs']) {
    symlinkSync(join(root, name), join(folder, name))
  }
  const port = await freePort()
  const [serve = '', ask = ''] = commandsOf('Over HTTP').map((text) => text.replaceAll('8480', String(port)))
  const server = spawn('bash', ['-ec', serve], { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  context.after(async () => {
    process.kill(-(server.pid ?? 0), 'SIGTERM')
    await ended
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const look = (bytes: Buffer): void => {
      said += bytes.toString()
      if (said.includes('api listens')) resolve()
    }
    server.stdout.on('data', look)
    server.stderr.on('data', look)
    server.once('exit', (code) => reject(new Error(`serve ended with ${code}: ${said}`)))
  })
  const { stdout } = await promisify(execFile)('bash', ['-ec', ask.replaceAll('\ncurl', '\necho\ncurl')], {
    cwd: folder,
  })
  const [asked, shown, report] = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.equal(asked?.['job_id'], 'tree')
  assert.equal(shown?.['status'], 'complete', stdout)
  assert.equal(report?.['overall_status'], 'pass', stdout)
  assert.deepEqual(compareFolders(join(root, 'samples/tree'), join(folder, 'copies/tree')), [])
})
