// Sockets that read into large buffers of their own instead of a fresh 64 KiB for each read: reading back costs almost half,
// most of it garbage that is never made (measured: 1.4-1.9 CPU-s/GiB before, 0.8-0.9 after, SHA-256 included).
//
// A buffer is used again, so its bytes must be gone before the next read writes into it. undici reads a socket as soon as it
// is readable and hands the bytes on before it returns, which Node lets happen before the next read; but nothing promises
// that, and over TLS one record may follow another within one turn. Therefore at most one of the two buffers is lent to
// the stream at a time: while the stream still holds bytes, what comes is copied, and the other buffer goes on being filled.
import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

const bufferBytes = 512 * 1024

export interface SocketSettings {
  /** Certificates to trust in place of the system's; undefined: the system's. */
  readonly ca: readonly string[] | undefined
  readonly timeoutMs: number
}

/** Node calls `buffer` before each read and `callback`, on the socket, after it. */
interface ReadBuffers {
  readonly buffer: () => Uint8Array
  readonly callback: (this: Socket, bytes: number, buffer: Uint8Array) => boolean
}

function readBuffers(): ReadBuffers {
  // Memory is taken page by page as it is written to: small answers touch little of it.
  const buffers = [Buffer.allocUnsafeSlow(bufferBytes), Buffer.allocUnsafeSlow(bufferBytes)] as const
  let next: 0 | 1 = 0
  return {
    buffer: () => buffers[next],
    callback(bytes, buffer) {
      const slice = Buffer.from(buffer.buffer, buffer.byteOffset, bytes)
      if (this.readableLength > 0) return this.push(Buffer.from(slice))
      next = next === 0 ? 1 : 0
      return this.push(slice)
    },
  }
}

/** For undici: a connector that gives every connection its own buffers. TLS sessions are taken up again. */
export function createConnector({ ca, timeoutMs }: SocketSettings): buildConnector.connector {
  let session: Buffer | undefined
  const trusted = ca === undefined ? {} : { ca: [...ca] }
  return (options, callback) => {
    const resumed = session === undefined ? {} : { session }
    const reading = { highWaterMark: 2 * bufferBytes, onread: readBuffers() }
    // The declared types know `onread` for plain sockets only; Node takes it for TLS as well.
    const settings = { ...trusted, ...resumed, ...reading, timeout: timeoutMs } as buildConnector.BuildOptions
    buildConnector(settings)(options, (...outcome) => {
      const [, socket] = outcome
      socket?.on('session', (ticket: Buffer) => {
        session = ticket
      })
      callback(...outcome)
    })
  }
}
