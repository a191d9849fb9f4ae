// What a local cluster is made of: how many of each process, what they move, and where everything lies.
import { parseArgs } from 'node:util'

const MiB = 1024 ** 2

export interface ClusterPlan {
  readonly coordinators: number
  readonly workers: number
  readonly verifiers: number
  readonly apis: number
  readonly smallFiles: number
  readonly largeMiB: number
  /** False: the schema ids of the program itself, and no registry is started. */
  readonly hasRegistry: boolean
  /** null: a temporary folder that is removed at the end. */
  readonly folder: string | null
  readonly seed: number
}

export const usage = `usage: node --conditions=source scripts/local-cluster.ts [options]
  --coordinators N   coordinators (2)
  --workers N        workers (3)
  --verifiers N      verifiers (2)
  --apis N           processes that answer the HTTP API (1)
  --small-files N    small files of the source (10000)
  --large-mib N      size of its one large file, in MiB (4096)
  --no-registry      do without a schema registry
  --seed N           of the source's names and bytes (1)
  --folder FOLDER    keep everything there: source, state, logs, report; it must not exist`

const options = {
  coordinators: { type: 'string', default: '2' },
  workers: { type: 'string', default: '3' },
  verifiers: { type: 'string', default: '2' },
  apis: { type: 'string', default: '1' },
  'small-files': { type: 'string', default: '10000' },
  'large-mib': { type: 'string', default: '4096' },
  seed: { type: 'string', default: '1' },
  'no-registry': { type: 'boolean', default: false },
  folder: { type: 'string' },
} as const

/** Throws TypeError or RangeError for what is not understood. */
export function readPlan(argv: readonly string[]): ClusterPlan {
  const { values } = parseArgs({ args: [...argv], options })
  const count = (
    name: 'coordinators' | 'workers' | 'verifiers' | 'apis' | 'small-files' | 'large-mib' | 'seed',
  ): number => {
    const number = Number(values[name])
    if (!Number.isInteger(number) || number < 0) throw new RangeError(`--${name} is not a whole number`)
    return number
  }
  return {
    coordinators: count('coordinators'),
    workers: count('workers'),
    verifiers: count('verifiers'),
    apis: count('apis'),
    smallFiles: count('small-files'),
    largeMiB: count('large-mib'),
    hasRegistry: !values['no-registry'],
    folder: values.folder ?? null,
    seed: count('seed'),
  }
}

export const bytesOfMiB = (count: number): number => count * MiB

export const bucket = 'local-cluster'
export const topicPrefix = 'waybill'
export const job = 'local-cluster'
export const [sourceConnection, targetConnection] = ['source', 'bucket']

/** About 20 partitions a worker; each coordinator has some to take over. */
export const partitions = { jobs: 8, chunks: 60 } as const

export interface ConfigPlaces {
  readonly brokers: readonly string[]
  readonly registryUrl: string | null
  readonly endpoint: string
  readonly source: string
}

/** The configuration file that every process and command of the cluster is given. */
export function configText({ brokers, registryUrl, endpoint, source }: ConfigPlaces): string {
  const registry = registryUrl === null ? '' : `[registry]\nurl = "${registryUrl}"\n`
  return `[kafka]
brokers = ${JSON.stringify(brokers)}
topic_prefix = "${topicPrefix}"
job_partitions = ${partitions.jobs}
chunk_partitions = ${partitions.chunks}
# One broker, for a try-out: three and two are the defaults.
replicas = 1
min_insync_replicas = 1
${registry}
[connections.${sourceConnection}]
location = "${source}"
[connections.${targetConnection}]
location = "s3://${bucket}"
endpoint = "${endpoint}"
region = "us-east-1"
`
}
