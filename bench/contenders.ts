// The commands that are compared, and what each rung of proof asks of them.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { CommandLine } from './measure.ts'

/** copy; copy and the tool's own check; copy and every stored byte read back. Compared only within a rung. */
export const rungs = ['copy', 'check', 'full'] as const
export type Rung = (typeof rungs)[number]

export interface Endpoint {
  readonly url: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface Contest {
  readonly source: string
  readonly bucket: string
  readonly endpoint: Endpoint
  /** Empty folder for what the tool keeps between runs. */
  readonly stateFolder: string
}

export interface Contender {
  readonly name: string
  readonly version: string
  /** Commands to run one after the other; each must end with 0. */
  commands(rung: Rung, contest: Contest): readonly CommandLine[]
}

const root = join(import.meta.dirname, '..')
const rcloneModule = 'github.com/rclone/rclone@v1.75.0'

function firstLine(command: string, args: readonly string[]): string {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} does not run`)
  return stdout.split('\n')[0]?.trim() ?? ''
}

/** `program` is an entry file: services/cli/main.ts, or a packed and installed bin/waybill.js. */
export function waybill(program = join(root, 'services/cli/main.ts')): Contender {
  // A packed program finds its built files only without the condition of the sources.
  const conditions = program.endsWith('.ts') ? ['--conditions=source', '--disable-warning=ExperimentalWarning'] : []
  const node = [...conditions, program]
  const options: Readonly<Record<Rung, readonly string[]>> = {
    copy: ['--verify', 'none', '--reconcile', 'none'],
    check: ['--verify', 'none', '--reconcile', 'listing'],
    full: [],
  }
  return {
    name: 'waybill',
    version: firstLine(process.execPath, [...node, 'version']),
    commands: (rung, { source, bucket, endpoint, stateFolder }) => [
      {
        command: process.execPath,
        args: [
          ...[...node, 'migrate', source, `s3://${bucket}/p`, ...options[rung]],
          ...['--target-endpoint', endpoint.url, '--target-region', endpoint.region, '--target-path-style'],
          ...['--state-dir', stateFolder, '--progress', 'none', '-q'],
        ],
        environment: { AWS_ACCESS_KEY_ID: endpoint.accessKeyId, AWS_SECRET_ACCESS_KEY: endpoint.secretAccessKey },
        cwd: root,
      },
    ],
  }
}

/** RCLONE names the binary; else it is built by `go install` into the user's cache (minutes, 1.5 GB of memory). */
export function rcloneProgram(): string {
  const given = process.env['RCLONE']
  if (given !== undefined) return given
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'waybill', 'bin')
  const program = join(folder, 'rclone')
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    execFileSync('go', ['install', rcloneModule], { env: { ...process.env, GOBIN: folder }, stdio: 'inherit' })
  }
  return program
}

/** `program` is the path of rclone. */
export function rclone(program: string): Contender {
  const copyOptions = [
    '-q',
    '--s3-no-check-bucket',
    '--transfers',
    '16',
    '--checkers',
    '16',
    '--s3-upload-concurrency',
    '4',
  ]
  const partOptions = ['--s3-chunk-size', '64M', '--s3-upload-cutoff', '64M']
  return {
    name: 'rclone',
    version: firstLine(program, ['version']),
    commands: (rung, { source, bucket, endpoint, stateFolder }) => {
      const environment = {
        RCLONE_CONFIG: join(stateFolder, 'rclone.conf'),
        RCLONE_CONFIG_T_TYPE: 's3',
        RCLONE_CONFIG_T_PROVIDER: 'Other',
        RCLONE_CONFIG_T_ENDPOINT: endpoint.url,
        RCLONE_CONFIG_T_REGION: endpoint.region,
        RCLONE_CONFIG_T_ACCESS_KEY_ID: endpoint.accessKeyId,
        RCLONE_CONFIG_T_SECRET_ACCESS_KEY: endpoint.secretAccessKey,
        RCLONE_CONFIG_T_FORCE_PATH_STYLE: 'true',
      }
      const target = `T:${bucket}/p`
      const line = (...args: readonly string[]): CommandLine => ({ command: program, args, environment })
      const copy = line('copy', source, target, ...copyOptions, ...partOptions)
      const check = line('check', source, target, '-q', '--one-way', '--checkers', '16')
      const download = line('check', source, target, '-q', '--one-way', '--download', '--checkers', '16')
      switch (rung) {
        case 'copy':
          return [copy]
        case 'check':
          return [copy, check]
        case 'full':
          return [copy, download]
      }
    },
  }
}
