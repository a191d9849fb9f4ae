// A tree in memory that a test changes while it is read. No timers: identities count up with each change.
import type { Bytes } from '#schemas/avro'
import type { Identity, ItemKind } from '#schemas/records'

/** What a name leads to. Readers hold on to it, as to an inode, also after the name has gone. */
export interface MemoryNode {
  readonly kind: ItemKind
  readonly inode: number
  bytes: Buffer
  readonly link: Bytes | null
  mode: number
  /** Rises with every change; stands for mtime and ctime. */
  mtime: number
  ctime: number
  isDenied: boolean
  isMountPoint: boolean
}

/** Text of names is latin1: one character a byte, so comparing strings compares bytes. */
function textOf(name: string | Bytes): string {
  return (typeof name === 'string' ? Buffer.from(name) : name).toString('latin1')
}

/** Names in UTF-8 where given as strings. Parents are made as needed. */
export class MemoryTree {
  readonly #nodes = new Map<string, MemoryNode>()
  #sorted: readonly string[] | null = null
  #ticks = 0
  #inodes = 1
  /** null: the root has gone. A test sets another one when a mount vanishes. */
  rootIdentity: string | null = '0:1'

  #add(text: string, kind: ItemKind, content: { bytes?: Buffer; link?: Bytes; mode?: number }): MemoryNode {
    const slash = text.lastIndexOf('/')
    if (slash > 0 && !this.#nodes.has(text.slice(0, slash))) this.#add(text.slice(0, slash), 'directory', {})
    this.#ticks += 1
    this.#inodes += 1
    const node: MemoryNode = {
      kind,
      inode: this.#inodes,
      bytes: content.bytes ?? Buffer.alloc(0),
      link: content.link ?? null,
      mode: content.mode ?? (kind === 'directory' ? 0o755 : 0o644),
      mtime: this.#ticks,
      ctime: this.#ticks,
      isDenied: false,
      isMountPoint: false,
    }
    this.#nodes.set(text, node)
    this.#sorted = null
    return node
  }

  /** Creates a file or writes over it in place: the inode stays, open readers see the new bytes. */
  write(name: string | Bytes, bytes: Buffer): void {
    const text = textOf(name)
    const node = this.#nodes.get(text)
    if (node === undefined || node.kind !== 'file') {
      this.#add(text, 'file', { bytes })
      return
    }
    node.bytes = bytes
    this.#touch(node)
  }

  /** Puts a new file in the place of whatever is there, as a rename over it does. */
  replace(name: string | Bytes, bytes: Buffer): void {
    this.remove(name)
    this.#add(textOf(name), 'file', { bytes })
  }

  makeDirectory(name: string | Bytes): void {
    const text = textOf(name)
    if (!this.#nodes.has(text)) this.#add(text, 'directory', {})
  }

  link(name: string | Bytes, to: string | Bytes): void {
    this.#add(textOf(name), 'symlink', { link: Buffer.from(to), mode: 0o777 })
  }

  /** A pipe, socket or device. */
  makeSpecial(name: string | Bytes): void {
    this.#add(textOf(name), 'special', {})
  }

  /** From now on the file cannot be opened, the directory not listed. */
  deny(name: string | Bytes, isDenied = true): void {
    const node = this.nodeOf(name)
    if (node !== null) node.isDenied = isDenied
    this.#sorted = null
  }

  /** Another file system is mounted over the directory. */
  mountOver(name: string | Bytes): void {
    const node = this.nodeOf(name)
    if (node !== null) node.isMountPoint = true
    this.#sorted = null
  }

  /** Removes the item and what is below it. Open readers keep theirs and see that it changed. */
  remove(name: string | Bytes): void {
    const text = textOf(name)
    for (const [other, node] of this.#nodes) {
      if (other !== text && !other.startsWith(`${text}/`)) continue
      this.#nodes.delete(other)
      this.#ticks += 1
      node.ctime = this.#ticks
    }
    this.#sorted = null
  }

  setMode(name: string | Bytes, mode: number): void {
    const node = this.nodeOf(name)
    if (node === null) return
    node.mode = mode
    this.#ticks += 1
    node.ctime = this.#ticks
  }

  #touch(node: MemoryNode): void {
    this.#ticks += 1
    node.mtime = this.#ticks
    node.ctime = this.#ticks
  }

  nodeOf(name: string | Bytes): MemoryNode | null {
    return this.#nodes.get(textOf(name)) ?? null
  }

  /** What stands on the way to a name: gone (also a link, a file or a mount), denied, or null for nothing. */
  barrierTo(name: string | Bytes): 'gone' | 'denied' | null {
    const text = textOf(name)
    for (let at = text.indexOf('/'); at >= 0; at = text.indexOf('/', at + 1)) {
      const parent = this.#nodes.get(text.slice(0, at))
      if (parent === undefined || parent.kind !== 'directory' || parent.isMountPoint) return 'gone'
      if (parent.isDenied) return 'denied'
    }
    return null
  }

  /** Names that a listing gives, directories with `/` at their end, in the port's order; kept until the tree changes. */
  sortedKeys(): readonly string[] {
    this.#sorted ??= [...this.#nodes]
      .filter(([text]) => this.barrierTo(Buffer.from(text, 'latin1')) === null)
      .map(([text, node]) => (node.kind === 'directory' ? `${text}/` : text))
      .sort((one, other) => (one < other ? -1 : 1))
    return this.#sorted
  }
}

const tickNs = 1_000_000

export function identityOf(node: MemoryNode): Identity {
  return {
    size: node.bytes.length,
    mtimeNs: String(node.mtime * tickNs),
    ctimeNs: String(node.ctime * tickNs),
    inode: `0:${node.inode}`,
  }
}
