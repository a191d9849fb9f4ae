// The source of a simulated world: a tree that people change while it is read, and every version it ever had.
import { openMemorySource } from '#libs/source/memory-source'
import { identityOf, MemoryTree } from '#libs/source/memory-tree'
import type { Source } from '#libs/source/source'
import type { Identity } from '#schemas/records'
import { seededBytes } from '#test/support/seeded-bytes'
import type { Chance } from './chance.ts'
import type { Scenario } from './scenario.ts'

function versionKey(name: Buffer, identity: Identity): string {
  const { size, mtimeNs, ctimeNs, inode } = identity
  return `${name.toString('latin1')}|${size}|${mtimeNs}|${ctimeNs}|${inode}`
}

export class SourceSide {
  readonly tree = new MemoryTree()
  readonly source: Source = openMemorySource(this.tree)
  /** Bytes of every version that existed, by name and identity. */
  readonly #versions = new Map<string, Buffer>()
  /** Names by the count of changes at which they came and went; null: still there. */
  readonly lives = new Map<string, { from: number; to: number | null }[]>()
  readonly #chance: Chance
  readonly #scenario: Scenario
  #contents = 0
  #names = 0
  changes = 0

  constructor(scenario: Scenario, chance: Chance) {
    this.#scenario = scenario
    this.#chance = chance
    while (this.names().length < scenario.items) this.#addItem()
  }

  names(): readonly string[] {
    return [...this.lives].filter(([, lives]) => lives.at(-1)?.to === null).map(([name]) => name)
  }

  files(): readonly string[] {
    return this.names().filter((name) => this.tree.nodeOf(Buffer.from(name, 'latin1'))?.kind === 'file')
  }

  versionOf(name: Buffer, identity: Identity): Buffer | null {
    return this.#versions.get(versionKey(name, identity)) ?? null
  }

  /** One change that somebody makes; says what it was. */
  change(): string {
    this.changes += 1
    const chance = this.#chance
    const files = this.files()
    if (files.length === 0) return this.#addItem()
    const name = chance.pick(files)
    const key = Buffer.from(name, 'latin1')
    const node = this.tree.nodeOf(key)
    if (node === null) return 'nothing'
    const kind = chance.weighted({
      rewrite: 4,
      resize: 3,
      truncate: 3,
      replace: 3,
      remove: 2,
      add: 2,
      deny: 1,
      shut: 1,
      mode: 1,
    })
    switch (kind) {
      case 'rewrite':
        this.tree.write(key, this.#bytes(node.bytes.length))
        break
      case 'resize':
        this.tree.write(key, this.#bytes(this.#size()))
        break
      case 'truncate':
        this.tree.write(key, Buffer.from(node.bytes.subarray(0, chance.between(0, node.bytes.length))))
        break
      case 'replace':
        this.tree.replace(key, this.#bytes(chance.happens(0.5) ? node.bytes.length : this.#size()))
        break
      case 'remove':
        this.#remove(name)
        return `remove ${name}`
      case 'add':
        return this.#addItem()
      case 'deny':
        this.tree.deny(key, !node.isDenied)
        break
      case 'shut':
        return this.#shutFolderOf(name)
      case 'mode':
        this.tree.setMode(key, 0o600)
        break
    }
    this.#record(key)
    return `${kind} ${name}`
  }

  /** Somebody writes over the file in place, as long as it was: who has it open reads the new bytes. */
  rewrite(name: Buffer): void {
    const node = this.tree.nodeOf(name)
    if (node?.kind !== 'file') return
    this.tree.write(name, this.#bytes(node.bytes.length))
    this.#record(name)
  }

  /** The folder that holds the name can be listed no more, or again. */
  #shutFolderOf(name: string): string {
    const folder = name.slice(0, Math.max(0, name.lastIndexOf('/')))
    const node = this.tree.nodeOf(Buffer.from(folder, 'latin1'))
    if (node === null) return 'nothing'
    this.tree.deny(Buffer.from(folder, 'latin1'), !node.isDenied)
    return `${node.isDenied ? 'shut' : 'opened'} ${folder}`
  }

  /** True for what was there without a pause since so many changes. */
  wasThereSince(name: Buffer, changes: number): boolean {
    const life = this.lives.get(name.toString('latin1'))?.at(-1)
    return life !== undefined && life.to === null && life.from <= changes
  }

  /** Nothing is denied any more. */
  allowAll(): void {
    for (const name of this.names()) this.tree.deny(Buffer.from(name, 'latin1'), false)
  }

  #remove(name: string): void {
    this.tree.remove(Buffer.from(name, 'latin1'))
    const life = this.lives.get(name)?.at(-1)
    if (life !== undefined) life.to = this.changes
  }

  #record(key: Buffer): void {
    const node = this.tree.nodeOf(key)
    if (node !== null) this.#versions.set(versionKey(key, identityOf(node)), Buffer.from(node.bytes))
  }

  #size(): number {
    const { chunkBytes, partsMax } = this.#scenario
    const chance = this.#chance
    switch (chance.weighted({ empty: 1, small: 6, edge: 2, large: 4 })) {
      case 'empty':
        return 0
      case 'small':
        return chance.between(1, chunkBytes)
      case 'edge':
        return chunkBytes * chance.between(1, 3) + chance.between(-1, 1)
      case 'large':
        return chance.between(chunkBytes + 1, chunkBytes * partsMax)
    }
  }

  #bytes(length: number): Buffer {
    this.#contents += 1
    return seededBytes(`${this.#scenario.seed}.${this.#contents}`, length)
  }

  #freshName(): string {
    this.#names += 1
    const chance = this.#chance
    const folder = chance.pick(['', '', 'a/', 'a/b/', 'c/', 'a-b/'])
    const odd = chance.happens(0.1) ? String.fromCharCode(chance.between(0x80, 0xff)) : ''
    return `${folder}${chance.pick(['f', 'g', 'a.b', 'Z'])}${odd}${this.#names}`
  }

  #addItem(): string {
    const name = this.#freshName()
    const key = Buffer.from(name, 'latin1')
    const kind = this.#chance.weighted({ file: 20, symlink: 2, directory: 1, special: 0.3 })
    switch (kind) {
      case 'file':
        this.tree.write(key, this.#bytes(this.#size()))
        break
      case 'symlink':
        this.tree.link(key, 'somewhere/else')
        break
      case 'directory':
        this.tree.makeDirectory(key)
        break
      case 'special':
        this.tree.makeSpecial(key)
        break
    }
    this.#record(key)
    for (let text = name; text !== ''; text = text.includes('/') ? text.slice(0, text.lastIndexOf('/')) : '') {
      const lives = this.lives.get(text) ?? []
      if (lives.at(-1)?.to !== null) this.lives.set(text, [...lives, { from: this.changes, to: null }])
    }
    return `add ${kind} ${name}`
  }
}
