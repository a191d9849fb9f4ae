import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileSourceOptions, openFileSource } from '#libs/source/files/file-source'
import type { Source } from '#libs/source/source'
import type { Bytes } from '#schemas/avro'

export const isRoot = process.getuid?.() === 0

/** A folder of its own for each test, removed by `close`; GNU rm goes deeper than Node's. */
export class TreeFixture {
  readonly root: string = fs.mkdtempSync(join(tmpdir(), 'source-'))
  readonly source: Source
  readonly #options: Pick<FileSourceOptions, 'isRemote' | 'clock'>
  readonly #others: Source[] = []

  constructor(options: Pick<FileSourceOptions, 'isRemote' | 'clock'> = {}) {
    this.#options = options
    this.source = this.again()
  }

  path(name: string | Bytes): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), Buffer.from(name)])
  }

  again(): Source {
    const source = openFileSource({
      root: Buffer.from(this.root),
      isSameFileSystemOnly: true,
      ...this.#options,
    })
    this.#others.push(source)
    return source
  }

  #makeParent(name: string | Bytes): Buffer {
    const path = this.path(name)
    fs.mkdirSync(path.subarray(0, path.lastIndexOf('/')), { recursive: true })
    return path
  }

  write(name: string | Bytes, bytes: Buffer): void {
    const path = this.#makeParent(name)
    const before = fs.lstatSync(path, { throwIfNoEntry: false })
    // Older kernels tick at 4 ms: a change within one tick would leave the times as they are.
    if (before?.isFile()) waitForTick(this.root)
    fs.writeFileSync(path, bytes)
  }

  replace(name: string | Bytes, bytes: Buffer): void {
    const path = this.#makeParent(name)
    const other = Buffer.from(`${this.root}.new`)
    fs.writeFileSync(other, bytes)
    waitForTick(this.root)
    fs.renameSync(other, path)
  }

  makeDirectory(name: string | Bytes): void {
    fs.mkdirSync(this.path(name), { recursive: true })
  }

  link(name: string | Bytes, to: string | Bytes): void {
    fs.symlinkSync(Buffer.from(to), this.#makeParent(name))
  }

  makeSpecial(name: string | Bytes): void {
    spawnSync('mkfifo', [this.#makeParent(name).toString()])
  }

  remove(name: string | Bytes): void {
    waitForTick(this.root)
    fs.rmSync(this.path(name), { recursive: true })
  }

  readonly deny: ((name: string | Bytes) => void) | null = isRoot ? null : (name) => fs.chmodSync(this.path(name), 0)

  async close(): Promise<void> {
    for (const source of this.#others) await source.close()
    spawnSync('chmod', ['-R', 'u+rwX', this.root])
    spawnSync('rm', ['-rf', this.root])
  }
}

/** Until the file system's clock has moved on; 20 ms at most. */
function waitForTick(root: string): void {
  const probe = `${root}.tick`
  const stamp = (): bigint => {
    fs.writeFileSync(probe, 'x')
    return fs.statSync(probe, { bigint: true }).ctimeNs
  }
  const before = stamp()
  for (let attempt = 0; attempt < 1000 && stamp() === before; attempt += 1) pauseOneMs()
  fs.unlinkSync(probe)
}

function pauseOneMs(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
}
