// A tree with one of everything that Linux can hold and a mover may stumble over, with a manifest of what is in it.
// It is made through open directories (/proc/self/fd/N/name), so that paths beyond 4,096 bytes can be made as well.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { setTimes } from '#libs/runtime/native'
import { hostileNames } from './hostile-names.ts'
import { seededBytes } from './seeded-bytes.ts'

export interface HostileOptions {
  readonly seed: string
  /** Files above this size are left out; one has exactly this size, with holes. */
  readonly largestBytes: number
}

export type HostileKind = 'file' | 'directory' | 'symlink' | 'special'

export interface HostileEntry {
  /** Relative name in base64: names are bytes. */
  readonly name: string
  readonly kind: HostileKind
  /** Bytes of a file, 0 for anything else. */
  readonly size: number
  /** SHA-256 of a file's bytes or of a link's text, in hex; null for anything else. */
  readonly sha256: string | null
  readonly mode: number
  readonly mtimeNs: bigint
}

const MiB = 1024 * 1024

interface Folder {
  readonly fd: number
  /** Relative to the root; empty for the root itself. */
  readonly name: Buffer
}

/** Path of an entry through its open folder, and its name from the root. */
function place(folder: Folder, segment: Buffer): { readonly path: Buffer; readonly name: Buffer } {
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${folder.fd}/`), segment])
  const name = folder.name.length === 0 ? segment : Buffer.concat([folder.name, Buffer.from('/'), segment])
  return { path, name }
}

class HostileTree {
  readonly #folders: Folder[] = []
  readonly #entries = new Map<string, { readonly path: Buffer; readonly kind: HostileKind; sha256: string | null }>()
  readonly #seed: string
  readonly root: Folder

  constructor(folder: string, seed: string) {
    mkdirSync(folder, { recursive: true })
    this.#seed = seed
    this.root = { fd: openSync(folder, 'r'), name: Buffer.alloc(0) }
    this.#folders.push(this.root)
  }

  #add(at: { readonly path: Buffer; readonly name: Buffer }, kind: HostileKind, sha256: string | null): void {
    this.#entries.set(at.name.toString('base64'), { path: at.path, kind, sha256 })
  }

  directory(folder: Folder, segment: Buffer | string): Folder {
    const at = place(folder, Buffer.from(segment))
    mkdirSync(at.path)
    const made = { fd: openSync(at.path, 'r'), name: at.name }
    this.#folders.push(made)
    this.#add(at, 'directory', null)
    return made
  }

  /** A file whose bytes follow from the seed and its name. */
  file(folder: Folder, segment: Buffer | string, size: number): Buffer {
    const at = place(folder, Buffer.from(segment))
    const content = seededBytes(`${this.#seed} ${at.name.toString('base64')}`, size)
    const fd = openSync(at.path, 'wx')
    for (let written = 0; written < size; ) written += writeSync(fd, content, written)
    closeSync(fd)
    this.#add(at, 'file', createHash('sha256').update(content).digest('hex'))
    return at.path
  }

  /** A file of mostly holes, with 64 KiB of bytes at its start, its middle and its end. */
  sparseFile(folder: Folder, segment: string, size: number): void {
    const at = place(folder, Buffer.from(segment))
    const piece = Math.min(64 * 1024, Math.floor(size / 4))
    const starts = [0, Math.floor(size / 2), size - piece]
    const fd = openSync(at.path, 'wx')
    ftruncateSync(fd, size)
    const hash = createHash('sha256')
    const hole = Buffer.alloc(MiB)
    let end = 0
    for (const start of starts) {
      for (; end < start; end += Math.min(hole.length, start - end)) {
        hash.update(hole.subarray(0, Math.min(hole.length, start - end)))
      }
      const bytes = seededBytes(`${this.#seed} ${segment} ${start}`, piece)
      writeSync(fd, bytes, 0, piece, start)
      hash.update(bytes)
      end = start + piece
    }
    closeSync(fd)
    this.#add(at, 'file', hash.digest('hex'))
  }

  link(folder: Folder, segment: Buffer | string, text: Buffer | string): void {
    const at = place(folder, Buffer.from(segment))
    symlinkSync(Buffer.from(text), at.path)
    this.#add(at, 'symlink', createHash('sha256').update(Buffer.from(text)).digest('hex'))
  }

  /** A second name of a file that is there. */
  hardLink(folder: Folder, segment: string, existing: Buffer): void {
    const at = place(folder, Buffer.from(segment))
    linkSync(existing, at.path)
    const known = [...this.#entries.values()].find(({ path }) => path.equals(existing))
    this.#add(at, 'file', known?.sha256 ?? null)
  }

  special(folder: Folder, segment: string, make: (cwd: string, name: string) => void): void {
    const at = place(folder, Buffer.from(segment))
    make(`/proc/${process.pid}/fd/${folder.fd}`, segment)
    this.#add(at, 'special', null)
  }

  /** What is there, and closes every folder. */
  manifest(): readonly HostileEntry[] {
    const entries = [...this.#entries].map(([name, { path, kind, sha256 }]) => {
      const stat = lstatSync(path, { bigint: true })
      const size = kind === 'file' ? Number(stat.size) : 0
      return { name, kind, size, sha256, mode: Number(stat.mode & 0o7777n), mtimeNs: stat.mtimeNs }
    })
    for (const { fd } of this.#folders) closeSync(fd)
    return entries
  }
}

/** Sizes at which something changes: empty, one byte, S3's smallest part, one chunk. */
function sizesUpTo(largestBytes: number): readonly number[] {
  const edges = [5 * MiB, 16 * MiB, 64 * MiB, 128 * MiB].flatMap((edge) => [edge - 1, edge, edge + 1])
  return [0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 65_536, MiB, ...edges].filter((size) => size <= largestBytes)
}

function addNames(tree: HostileTree): void {
  const names = tree.directory(tree.root, 'names')
  for (const [index, name] of hostileNames.entries()) tree.file(names, name, index)
  const folders = tree.directory(tree.root, 'folders')
  for (const name of hostileNames) tree.file(tree.directory(folders, name), 'inside', 3)
  // `a/` sorts behind `a-b` and `a.txt`, although `a` alone sorts before both.
  const beside = tree.directory(tree.root, 'beside')
  tree.file(beside, 'a.txt', 5)
  tree.file(beside, 'a-b', 5)
  tree.file(beside, 'a0', 5)
  tree.file(tree.directory(beside, 'a'), 'b', 5)
  const inner = tree.directory(tree.directory(tree.root, 'inner'), '.waybill')
  tree.file(inner, 'job', 9)
}

/** Keys beyond 1,024 bytes and paths beyond 4,096, each with a file at its end. */
function addDepth(tree: HostileTree): void {
  for (const [name, segments] of [
    ['key-too-long', 6],
    ['path-too-long', 21],
  ] as const) {
    let folder = tree.directory(tree.root, name)
    for (let depth = 0; depth < segments; depth += 1) {
      folder = tree.directory(folder, `${depth}-`.padEnd(200, depth % 2 === 0 ? 'd' : 'e'))
    }
    tree.file(folder, 'end', 7)
  }
  let folder = tree.directory(tree.root, 'levels')
  for (let depth = 0; depth < 200; depth += 1) folder = tree.directory(folder, 'l')
  tree.file(folder, 'end', 7)
}

function addLinks(tree: HostileTree): void {
  const links = tree.directory(tree.root, 'links')
  const aim = tree.directory(links, 'aim')
  tree.file(aim, 'file', 11)
  tree.link(links, 'to-file', 'aim/file')
  tree.link(links, 'to-directory', 'aim')
  tree.link(links, 'to-parent', '..')
  tree.link(links, 'dangling', 'nowhere/at/all')
  tree.link(links, 'itself', 'itself')
  tree.link(links, 'ping', 'pong')
  tree.link(links, 'pong', 'ping')
  tree.link(links, 'outside', '/etc/passwd')
  tree.link(links, 'not-utf8', Buffer.from([0x66, 0xff, 0x6f]))
  tree.link(links, 'long', 'x'.repeat(4095))
  tree.link(links, Buffer.from('new\nline'), 'aim/new\nline')
  const first = tree.file(links, 'twin-1', 1234)
  tree.hardLink(links, 'twin-2', first)
}

function addSpecials(tree: HostileTree): void {
  const specials = tree.directory(tree.root, 'specials')
  tree.special(specials, 'pipe', (cwd, name) => execFileSync('mkfifo', [name], { cwd }))
  const listen = `require('net').createServer().listen('socket', () => process.kill(process.pid, 'SIGKILL'))`
  // A socket's name stays behind only when its process has no time to clean up.
  tree.special(specials, 'socket', (cwd) => spawnSync(process.execPath, ['-e', listen], { cwd }))
  const empty = tree.directory(tree.root, 'empty')
  tree.directory(tree.directory(empty, 'within'), 'within')
  tree.directory(empty, Buffer.from([0xff, 0xfe]))
}

function addModes(tree: HostileTree): void {
  const modes = tree.directory(tree.root, 'modes')
  for (const mode of [0o400, 0o444, 0o600, 0o640, 0o755, 0o777, 0o4755, 0o2755, 0o1644]) {
    chmodSync(tree.file(modes, `m${mode.toString(8)}`, 40), mode)
  }
  const sticky = tree.directory(modes, 'sticky')
  chmodSync(`/proc/self/fd/${sticky.fd}`, 0o1777)
  const closed = tree.directory(modes, 'read-only')
  tree.file(closed, 'file', 1)
  chmodSync(`/proc/self/fd/${closed.fd}`, 0o555)
}

function addTimes(tree: HostileTree): void {
  const times = tree.directory(tree.root, 'times')
  for (const [name, mtimeNs] of [
    ['epoch', 0n],
    ['one-ns', 1n],
    ['before-1970', -1_234_567_890_123_456_789n],
    ['just-before-1970', -1n],
    ['after-2038', 2_147_483_648_000_000_001n],
    ['after-2106', 4_294_967_296_999_999_999n],
    ['usual', 1_700_000_000_123_456_789n],
  ] as const) {
    setTimes(tree.file(times, name, 10), { atimeNs: mtimeNs, mtimeNs })
  }
}

/**
 * Makes the tree in `folder`, which must not hold one yet.
 * @returns one entry for everything below the root, the root itself left out.
 */
export function makeHostileTree(folder: string, options: HostileOptions): readonly HostileEntry[] {
  const tree = new HostileTree(folder, options.seed)
  addNames(tree)
  addDepth(tree)
  addLinks(tree)
  addSpecials(tree)
  addModes(tree)
  addTimes(tree)
  const sizes = tree.directory(tree.root, 'sizes')
  for (const size of sizesUpTo(options.largestBytes)) {
    if (size <= 5 * MiB + 1) tree.file(sizes, `s${size}`, size)
    else tree.sparseFile(sizes, `s${size}`, size)
  }
  tree.sparseFile(sizes, 'largest', options.largestBytes)
  return tree.manifest()
}

/** Removes a tree whose paths may be too long for Node's own calls. */
export function removeHostileTree(folder: string): void {
  execFileSync('rm', ['-rf', '--', folder])
}
