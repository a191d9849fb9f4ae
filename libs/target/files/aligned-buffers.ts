// Buffers for O_DIRECT, which reads into addresses that are multiples of the device's block only.
// JavaScript tells no addresses. WebAssembly memory is mapped by the page (64 KiB) by its specification, so slices of it at
// multiples of 4,096 are aligned. Should an engine do otherwise, the read says EINVAL and the reader goes on buffered.
// One memory for all readers of a target: 16 slices of 1 MiB, touched as they are needed, lent and given back.
import { WaybillError } from '#libs/domain/errors'

export const sliceBytes = 1024 * 1024
export const alignment = 4096
/** Node's types hold no WebAssembly; this is all that is used of it. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    readonly initial: number
    readonly maximum: number
  }) => { readonly buffer: ArrayBuffer }
}

const slicesMax = 16
const wasmPageBytes = 64 * 1024

export class AlignedBuffers {
  #free: Buffer[] | null = null
  readonly #waiting: ((buffer: Buffer) => void)[] = []

  #slices(): Buffer[] {
    if (this.#free === null) {
      const pages = (slicesMax * sliceBytes) / wasmPageBytes
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
      this.#free = Array.from({ length: slicesMax }, (_, index) =>
        Buffer.from(memory.buffer, index * sliceBytes, sliceBytes),
      )
    }
    return this.#free
  }

  /** Waits until a slice is free, in the order of asking. */
  borrow(): Promise<Buffer> {
    const free = this.#slices().pop()
    if (free !== undefined) return Promise.resolve(free)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** A slice if one is free and nobody waits: for reading ahead. */
  borrowIfFree(): Buffer | null {
    return this.#waiting.length > 0 ? null : (this.#slices().pop() ?? null)
  }

  giveBack(buffer: Buffer): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next(buffer)
    else this.#slices().push(buffer)
    if (this.#slices().length > slicesMax) throw new WaybillError('INTERNAL', { reason: 'buffer_given_back_twice' })
  }
}
