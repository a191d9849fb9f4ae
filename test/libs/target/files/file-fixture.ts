// A folder as target for the tests of its adapter, with what they look at from outside.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openFileTarget } from '#libs/target/files/file-target'
import type { Condition, ObjectDress, PutRequest, Target } from '#libs/target/target'
import type { ItemKind, TargetAbilities } from '#schemas/records'
import { digestOf, neverAborted } from '#test/contracts/target-fixture'
import { removeHostileTree } from '#test/support/hostile-tree'

export const job = 'a-job'
export const isRoot = process.getuid?.() === 0
export const absent: Condition = { kind: 'absent' }

export function dress(more: Partial<ObjectDress> = {}): ObjectDress {
  const attributes = { mode: 0o644, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  return { mark: { job, item: '1.1.0', generation: 1 }, attributes, mtimeNs: '1700000000123456789', ...more }
}

export function request(key: string | Buffer, body: string | Buffer, more: Partial<PutRequest> = {}): PutRequest {
  const bytes = Buffer.from(body)
  const kind: ItemKind = 'file'
  const base = { key: Buffer.from(key), kind, body: bytes, digest: digestOf(bytes), dress: dress() }
  return { ...base, condition: absent, claim: 'claim-1', ...more }
}

/** A new folder, removed after the test. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-target-'))
  t.after(() => removeHostileTree(folder))
  return folder
}

/**
 * A small file system of its own, removed after the test; null where this place mounts none.
 * @param options of tmpfs: `size=1m`, `nr_inodes=20`.
 */
export function smallFileSystem(t: TestContext, options: string): string | null {
  const outer = mkdtempSync(join(tmpdir(), 'waybill-target-'))
  const folder = join(outer, 'small')
  mkdirSync(folder)
  let isMounted = false
  // Hooks run in the order they were made in, so the writers of the test may still hold files in it: lazily, then.
  t.after(() => {
    if (isMounted) execFileSync('umount', ['-l', folder], { stdio: 'pipe' })
    rmSync(outer, { recursive: true })
  })
  try {
    if (!isRoot) throw new Error('only root mounts')
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' })
    isMounted = true
  } catch (error) {
    t.skip(`no tmpfs with ${options} can be mounted here: ${error instanceof Error ? error.message : ''}`)
    return null
  }
  return folder
}

export async function probed(target: Target): Promise<TargetAbilities> {
  const survey = target.survey()
  const { abilities } = await survey.probe(neverAborted)
  await survey.close()
  return abilities
}

export interface OpenedWriter {
  readonly target: Target
  readonly abilities: TargetAbilities
  readonly writer: ReturnType<Target['writer']>
}

/** A writer that took over, closed after the test. */
export async function openWriter(t: TestContext, root: string, claim = 'claim-1'): Promise<OpenedWriter> {
  const target = openFileTarget({ root, job })
  const abilities = await probed(target)
  const writer = target.writer(abilities)
  t.after(() => writer.close())
  await writer.takeOver(claim, neverAborted)
  return { target, abilities, writer }
}

/** Paths of all that is below, our own folder too; for looking, not for proving. */
export function namesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
}
