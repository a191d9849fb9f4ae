// Where the API of a run listens: `api.sock` in the job's folder. A socket's path holds 107 bytes; a folder that is deeper is
// reached through an open descriptor (Linux), so that the socket lies where it belongs all the same.
import { constants, type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'

/** sockaddr_un.sun_path, less its zero byte (unix(7)). */
const pathBytesMax = 107

export const socketName = 'api.sock'

export interface SocketPlace {
  /** To listen on, or to connect to. */
  readonly path: string
  close(): Promise<void>
}

/** Throws STATE_NOT_WRITABLE where the path is too long and there is no way around. */
export async function openSocketPlace(folder: string): Promise<SocketPlace> {
  const path = join(folder, socketName)
  if (Buffer.byteLength(path) <= pathBytesMax) return { path, close: () => Promise.resolve() }
  const directory: FileHandle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  if (process.platform === 'linux') {
    return { path: `/proc/self/fd/${directory.fd}/${socketName}`, close: () => directory.close() }
  }
  await directory.close()
  throw new WaybillError('STATE_NOT_WRITABLE', { folder, reason: 'the path is too long for a socket' })
}
