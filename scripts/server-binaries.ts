// S3 servers for tests and benchmarks, built from pinned versions by `go install` into .servers/bin. No container engine
// is needed. versitygw keeps objects as plain files, so a test can change a byte at rest; MinIO is what many sites run.
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'

export type S3ServerKind = 'versitygw' | 'minio'
export const s3ServerKinds: readonly S3ServerKind[] = ['versitygw', 'minio']

/** Go modules with their versions. */
export const modules: Readonly<Record<S3ServerKind, string>> = {
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.7.0',
  // The last version before the repository was archived. AGPL: it is run as a test server only.
  minio: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
}

export const serversFolder = join(import.meta.dirname, '..', '.servers')
const binFolder = join(serversFolder, 'bin')

function binaryOf(kind: S3ServerKind): string {
  return join(binFolder, kind)
}

export function isInstalled(kind: S3ServerKind): boolean {
  try {
    accessSync(binaryOf(kind), constants.X_OK)
    return true
  } catch {
    // Absent or not executable: to be installed.
    return false
  }
}

/** Builds the server unless it is there; minutes with cold caches. Rejects when Go is missing or the build fails. */
export async function installServer(kind: S3ServerKind): Promise<'there already' | 'built'> {
  if (isInstalled(kind)) return 'there already'
  mkdirSync(binFolder, { recursive: true })
  const code = await new Promise<number | null>((resolve, reject) => {
    const environment = { ...process.env, GOBIN: binFolder }
    const child = spawn('go', ['install', modules[kind]], { env: environment, stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`go install ${modules[kind]} ended with ${code}`)
  return 'built'
}

export interface ServerPlace {
  readonly folder: string
  readonly port: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** PEM files; with them the server speaks https. */
  readonly certificate: { readonly certFile: string; readonly keyFile: string } | null
}

export interface ServerCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Folder in which objects of a bucket lie as plain files; null where they do not. */
  readonly objectsFolder: string | null
}

export function serverCommand(kind: S3ServerKind, place: ServerPlace): ServerCommand {
  const address = `127.0.0.1:${place.port}`
  const command = binaryOf(kind)
  switch (kind) {
    case 'versitygw': {
      const [iam, root] = [join(place.folder, 'iam'), join(place.folder, 'root')]
      for (const folder of [iam, root]) mkdirSync(folder, { recursive: true })
      const tls =
        place.certificate === null ? [] : ['--cert', place.certificate.certFile, '--key', place.certificate.keyFile]
      const listen = ['--port', address, '--quiet', '--keep-alive', '--region', 'us-east-1', ...tls]
      return {
        command,
        args: [...listen, '--iam-dir', iam, 'posix', root],
        environment: { ROOT_ACCESS_KEY: place.accessKeyId, ROOT_SECRET_KEY: place.secretAccessKey },
        objectsFolder: root,
      }
    }
    case 'minio': {
      const root = join(place.folder, 'root')
      mkdirSync(root, { recursive: true })
      return {
        command,
        args: ['server', '--quiet', '--address', address, root],
        environment: {
          MINIO_ROOT_USER: place.accessKeyId,
          MINIO_ROOT_PASSWORD: place.secretAccessKey,
          MINIO_BROWSER: 'off',
          HOME: place.folder,
        },
        objectsFolder: null,
      }
    }
  }
}
