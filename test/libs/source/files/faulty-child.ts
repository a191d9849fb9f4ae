// Runs under another user, or under strace with errors put into its system calls; prints what the source said as JSON lines.

import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { codeOf } from '#libs/domain/errors'
import { openFileSource } from '#libs/source/files/file-source'
import { listByPages, listFrom, neverAborted, wide } from '#test/contracts/source.contract'

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const root = process.argv[2] ?? ''
const spareDescriptors = process.argv[3]

/** All descriptors but some are used up. */
function useDescriptors(spare: number): void {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch {
    for (const fd of taken.splice(0, spare)) closeSync(fd)
  }
}

if (spareDescriptors !== undefined) useDescriptors(Number(spareDescriptors))
const source = openFileSource({ root, isSameFileSystemOnly: true })
try {
  const entries = await listFrom(source, null, wide)
  // Going on behind an entry that failed must work as well.
  const again = await listByPages(() => openFileSource({ root, isSameFileSystemOnly: true }), 1)
  assert.deepEqual(again, entries)
  for (const entry of entries) {
    print(['listed', entry.name.toString(), entry.kind, entry.outcome, entry.code])
  }
  for (const entry of entries) {
    if (entry.kind !== 'file' || entry.outcome !== null) continue
    let step = 'open'
    try {
      const reader = await source.open(entry.name, entry.identity)
      step = 'read'
      await reader.read(Buffer.alloc(entry.identity.size), 0, neverAborted)
      step = 'confirm'
      await reader.confirm()
      await reader.close()
      print(['read', entry.name.toString()])
    } catch (error) {
      print([step, entry.name.toString(), codeOf(error)])
    }
  }
} catch (error) {
  if (error instanceof assert.AssertionError) throw error
  print(['list', codeOf(error)])
} finally {
  await source.close()
}
