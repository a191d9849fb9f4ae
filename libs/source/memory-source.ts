// The source port over a tree in memory, for simulation and tests. Faults come from two sides: the tree is changed or denied by the
// test at any moment, and `before` runs before each call's work, where it may change the tree, wait on a virtual clock, or
// throw a WaybillError as a source would (SOURCE_READ_ERROR, SOURCE_UNREADABLE, ...).
import { WaybillError } from '#libs/domain/errors'
import { isSameIdentity } from '#libs/domain/identity'
import type { Bytes } from '#schemas/avro'
import type { Identity } from '#schemas/records'
import { identityOf, type MemoryNode, type MemoryTree } from './memory-tree.ts'
import type { ItemReader, ListLimits, Source, SourceDescription, SourceEntry, SourcePage } from './source.ts'

export type MemoryCall =
  | { readonly method: 'describe' }
  | { readonly method: 'list'; readonly cursor: Bytes | null }
  | { readonly method: 'look' | 'open' | 'confirm'; readonly name: Bytes }
  | { readonly method: 'read'; readonly name: Bytes; readonly offset: number; readonly length: number }

export interface MemorySourceOptions {
  readonly before?: (call: MemoryCall) => void | Promise<void>
}

function entryOf(name: Bytes, node: MemoryNode): SourceEntry {
  const entry = {
    name,
    kind: node.kind,
    identity: identityOf(node),
    attributes: { mode: node.mode, uid: 0, gid: 0 },
    link: node.link,
  }
  if (node.isMountPoint) return { ...entry, outcome: 'skipped', code: 'OTHER_FILE_SYSTEM' }
  if (node.kind === 'special') return { ...entry, outcome: 'skipped', code: 'SPECIAL_FILE' }
  if (node.kind === 'directory' && node.isDenied) return { ...entry, outcome: 'failed', code: 'SOURCE_UNREADABLE' }
  return { ...entry, outcome: null, code: null }
}

/** Nothing but the name is known. */
function unknownEntry(name: Bytes): SourceEntry {
  return {
    name,
    kind: 'file',
    identity: { size: 0, mtimeNs: '0', ctimeNs: '0', inode: '0:0' },
    attributes: { mode: 0, uid: 0, gid: 0 },
    link: null,
    outcome: 'failed',
    code: 'SOURCE_UNREADABLE',
  }
}

function isSame(node: MemoryNode, expected: Identity): boolean {
  return node.kind === 'file' && isSameIdentity(identityOf(node), expected)
}

/** Place of the first key greater than the cursor. */
function placeAfter(keys: readonly string[], cursor: string): number {
  let from = 0
  let to = keys.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((keys[middle] ?? '') > cursor) to = middle
    else from = middle + 1
  }
  return from
}

class MemoryReader implements ItemReader {
  readonly #name: Bytes
  readonly #node: MemoryNode
  readonly #expected: Identity
  readonly #before: (call: MemoryCall) => void | Promise<void>

  constructor(opened: {
    name: Bytes
    node: MemoryNode
    expected: Identity
    before: (call: MemoryCall) => void | Promise<void>
  }) {
    this.#name = opened.name
    this.#node = opened.node
    this.#expected = opened.expected
    this.#before = opened.before
  }

  async read(buffer: Buffer, offset: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#before({ method: 'read', name: this.#name, offset, length: buffer.length })
    signal.throwIfAborted()
    const given = this.#node.bytes.copy(buffer, 0, Math.min(offset, this.#node.bytes.length))
    if (given < buffer.length) throw new WaybillError('SOURCE_SHORT_READ', { offset, length: buffer.length, given })
  }

  async confirm(): Promise<void> {
    await this.#before({ method: 'confirm', name: this.#name })
    if (!isSame(this.#node, this.#expected)) throw new WaybillError('SOURCE_CHANGED')
  }

  async close(): Promise<void> {
    await Promise.resolve()
  }
}

class MemorySource implements Source {
  readonly #tree: MemoryTree
  readonly #before: (call: MemoryCall) => void | Promise<void>

  constructor(tree: MemoryTree, options: MemorySourceOptions) {
    this.#tree = tree
    this.#before = options.before ?? ((): void => undefined)
  }

  async describe(): Promise<SourceDescription> {
    await this.#before({ method: 'describe' })
    const { rootIdentity } = this.#tree
    if (rootIdentity === null) throw new WaybillError('SOURCE_MISSING')
    const attributes = { mode: 0o755, uid: 0, gid: 0 }
    return { kind: 'memory', rootIdentity, readView: 'memory', attributes, mtimeNs: '0' }
  }

  async list(cursor: Bytes | null, limits: ListLimits, signal: AbortSignal): Promise<SourcePage> {
    signal.throwIfAborted()
    await this.#before({ method: 'list', cursor })
    signal.throwIfAborted()
    if (this.#tree.rootIdentity === null) throw new WaybillError('SOURCE_MISSING')
    const keys = this.#tree.sortedKeys()
    const entries: SourceEntry[] = []
    let last = cursor?.toString('latin1') ?? ''
    let nameBytes = 0
    for (let at = placeAfter(keys, last); at < keys.length; at += 1) {
      const key = keys[at] ?? ''
      const name = Buffer.from(key.endsWith('/') ? key.slice(0, -1) : key, 'latin1')
      const node = this.#tree.nodeOf(name)
      if (node === null) continue
      nameBytes += name.length + (node.link?.length ?? 0)
      const isFull = entries.length >= limits.entriesMax || nameBytes > limits.nameBytesMax
      if (entries.length > 0 && isFull) return { entries, cursor: Buffer.from(last, 'latin1') }
      entries.push(entryOf(name, node))
      last = key
    }
    return { entries, cursor: null }
  }

  async look(name: Bytes): Promise<SourceEntry | null> {
    await this.#before({ method: 'look', name })
    const barrier = this.#tree.barrierTo(name)
    if (barrier === 'denied') return unknownEntry(name)
    const node = barrier === 'gone' ? null : this.#tree.nodeOf(name)
    return node === null ? null : entryOf(name, node)
  }

  async open(name: Bytes, expected: Identity): Promise<ItemReader> {
    await this.#before({ method: 'open', name })
    const barrier = this.#tree.barrierTo(name)
    if (barrier === 'denied') throw new WaybillError('SOURCE_UNREADABLE')
    const node = barrier === 'gone' ? null : this.#tree.nodeOf(name)
    if (node === null) throw new WaybillError('SOURCE_VANISHED')
    if (node.isDenied) throw new WaybillError('SOURCE_UNREADABLE')
    if (!isSame(node, expected)) throw new WaybillError('SOURCE_CHANGED')
    return new MemoryReader({ name, node, expected, before: this.#before })
  }

  async close(): Promise<void> {
    await Promise.resolve()
  }
}

/** A source over `tree`, which the test may change at any time. */
export function openMemorySource(tree: MemoryTree, options: MemorySourceOptions = {}): Source {
  return new MemorySource(tree, options)
}
