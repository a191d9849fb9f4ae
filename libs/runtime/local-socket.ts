// Where the API of a run listens: `api.sock` in the job's folder. A socket's path holds 107 bytes; a folder that is deeper is
// reached through an open descriptor (Linux), so that the socket lies where it belongs all the same.
import { chmod, constants, type FileHandle, open, unlink } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
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

/** What an earlier process left behind; who holds the folder's lock is alone. */
async function removeSocket(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}

/**
 * Listens on the folder's socket, for its owner alone; connections are given paused. Throws the system's error, and
 * STATE_NOT_WRITABLE.
 */
export async function listenLocally(
  folder: string,
  onConnection: (connection: Socket) => void,
): Promise<{ close(): Promise<void> }> {
  const place = await openSocketPlace(folder)
  const server = createServer({ pauseOnConnect: true }, onConnection)
  try {
    await removeSocket(place.path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(place.path, resolve)
    })
    await chmod(place.path, 0o600)
  } catch (error) {
    server.close()
    await place.close()
    throw error
  }
  return {
    close: async () => {
      // Not awaited: it ends when the last connection does, and those are others' to close.
      server.close()
      await place.close()
    },
  }
}
