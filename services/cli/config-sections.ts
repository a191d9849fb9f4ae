// The one table of what the sections of the configuration file may hold: [kafka], [registry], [serve], [api]
// and [connections.NAME]. Reader, environment names, `config show` and docs/options.md all come from it.
import { type Parsed, parsed } from '#libs/domain/quantity'
import type { RoleName } from '#libs/runtime/cluster-settings'
import {
  broker,
  choice,
  concurrency,
  countWithin,
  endpoint,
  flag,
  instanceName,
  positive,
  rate,
  sizeWithin,
  text,
  topicPrefix,
  type ValueType,
  variableName,
} from './value-types.ts'

interface KeyPlace {
  readonly help: string
  /** Never shown. */
  readonly isSecret?: boolean
  /** A path: in the file it is relative to the file's own folder. */
  readonly isPath?: boolean
}

export interface KeyEntry<T> extends KeyPlace {
  readonly type: Pick<ValueType<unknown>, 'placeholder' | 'words'>
  readonly isList: boolean
  readonly initial: T
  read(texts: readonly string[]): Parsed<T>
  /** The texts that make the value; none for "not set". */
  show(value: T): readonly string[]
}

function one<T>(type: ValueType<T>, initial: NoInfer<T>, place: KeyPlace): KeyEntry<T> {
  const read = (texts: readonly string[]): Parsed<T> => type.parse(texts.at(-1) ?? '')
  return { ...place, type, isList: false, initial, read, show: (value) => [type.show(value)] }
}

function optional<T>(type: ValueType<T>, place: KeyPlace): KeyEntry<T | null> {
  const read = (texts: readonly string[]): Parsed<T | null> => type.parse(texts.at(-1) ?? '')
  const show = (value: T | null): readonly string[] => (value === null ? [] : [type.show(value)])
  return { ...place, type, isList: false, initial: null, read, show }
}

function list<T>(type: ValueType<T>, place: KeyPlace): KeyEntry<readonly T[]> {
  const read = (texts: readonly string[]): Parsed<readonly T[]> => {
    const values: T[] = []
    for (const each of texts) {
      const result = type.parse(each)
      if (!result.ok) return result
      values.push(result.value)
    }
    return parsed(values)
  }
  return { ...place, type, isList: true, initial: [], read, show: (values) => values.map(type.show) }
}

const mib = 1024 ** 2
const file = text('FILE', 'files')
/** In the order in which they make a process's name. */
export const roleNames = ['coordinator', 'worker', 'verifier', 'api'] as const satisfies readonly RoleName[]
const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

export const sectionTable = {
  kafka: {
    brokers: list(broker, { help: 'some brokers of the cluster, as host:port' }),
    topic_prefix: one(topicPrefix, 'waybill', { help: 'topics and groups are called PREFIX.jobs and so on' }),
    job_partitions: optional(countWithin(1, 4096), {
      help: 'partitions of PREFIX.jobs, PREFIX.listings and PREFIX.rates each; about 4 x the coordinators; not said: made with 16, else as they are',
    }),
    chunk_partitions: optional(countWithin(1, 10_000), {
      help: 'partitions of PREFIX.chunks; about 20 x the workers; not said: made with 256, else as they are',
    }),
    replicas: one(countWithin(1, 100), 3, { help: 'brokers that hold each record' }),
    min_insync_replicas: one(countWithin(1, 100), 2, { help: 'brokers that must have a record before it counts' }),
    allow_unsafe_topics: one(flag, false, { help: 'work on topics that lose records, or are not as they should be' }),
    tls: one(flag, false, { help: 'speak TLS; a table with the keys below says how' }),
    'tls.ca_file': optional(file, {
      isPath: true,
      help: 'certificates to trust, as PEM, in place of those of the system',
    }),
    'tls.cert_file': optional(file, { isPath: true, help: 'certificate of this client, as PEM' }),
    'tls.key_file': optional(file, { isPath: true, help: 'private key of this client, as PEM' }),
    sasl_mechanism: optional(choice(saslMechanisms), { help: 'how a name and a password are sent to the brokers' }),
    sasl_username: optional(text('NAME'), { help: 'name at the brokers' }),
    sasl_password: optional(text('TEXT'), {
      isSecret: true,
      help: 'password at the brokers; better one of the next two',
    }),
    sasl_password_env: optional(variableName, { help: 'environment variable that holds the password' }),
    sasl_password_file: optional(file, { isPath: true, help: 'file that holds the password' }),
  },
  registry: {
    url: optional(endpoint, { help: 'schema registry; without it the ids of the program itself are used' }),
    username: optional(text('NAME'), { help: 'name at the registry' }),
    password: optional(text('TEXT'), { isSecret: true, help: 'password at the registry; better one of the next two' }),
    password_env: optional(variableName, { help: 'environment variable that holds the password' }),
    password_file: optional(file, { isPath: true, help: 'file that holds the password' }),
    ca_file: optional(file, { isPath: true, help: 'certificates to trust, as PEM, beside those of the system' }),
  },
  serve: {
    roles: list(choice(roleNames), { help: 'roles of this process; --roles beats it' }),
    state_dir: optional(text('FOLDER', 'folders'), {
      isPath: true,
      help: 'store of this process, its own; without it $XDG_STATE_HOME/waybill/serve/INSTANCE',
    }),
    instance: optional(instanceName, {
      help: 'name of this process, unique and the same after a restart; without it HOST-ROLES',
    }),
    memory: optional(sizeWithin(64 * mib, 1024 ** 4), {
      help: 'bound on payload bytes in flight; without it --memory',
    }),
    concurrency: optional(concurrency, { help: 'requests in flight a role; without it --concurrency' }),
    source_rate: optional(rate, { help: 'limit of what this process reads at sources, whatever it is granted' }),
    signing_key: optional(file, { isPath: true, help: 'private key that signs reports (waybill keygen)' }),
  },
  api: {
    listen: one(broker, '127.0.0.1:8480', {
      help: 'where the role api listens; without tokens it is the loopback address whatever is said here',
    }),
    tokens_file: optional(file, {
      isPath: true,
      help: 'tokens of the API (waybill tokens create); without it tokens.json in the state folder',
    }),
    webhook_url: optional(endpoint, { help: 'told of the end of every pass; https, or http to this machine' }),
    webhook_secret: optional(text('TEXT'), {
      isSecret: true,
      help: 'signs what is sent there; better one of the next two',
    }),
    webhook_secret_env: optional(variableName, { help: 'environment variable that holds the secret' }),
    webhook_secret_file: optional(file, { isPath: true, help: 'file that holds the secret' }),
  },
} as const

export const connectionTable = {
  location: optional(text('LOCATION'), { help: 'an absolute folder, or s3://bucket/prefix' }),
  endpoint: optional(endpoint, { help: 'server to use instead of AWS' }),
  region: optional(text('REGION'), { help: 'region of the bucket' }),
  path_style: optional(flag, { help: 'bucket in the path, not in the host name; always so with an endpoint' }),
  profile: optional(text('PROFILE'), { help: 'profile of the AWS configuration' }),
  verify_profile: optional(text('PROFILE'), { help: 'credentials of its own for reading back' }),
  source_peak: one(rate, null, {
    help: 'what it can deliver as a source; 10 % of it is a hard limit for all jobs together',
  }),
  source_signals: list(choice(['pressure', 'disk']), {
    help: 'signals of its load, of the machine of the coordinator: storage pressure, how busy its disk is',
  }),
  signal_command: list(text('WORD'), { help: 'program and arguments that print how loaded it is, a number or JSON' }),
  signal_url: optional(endpoint, { help: 'address that answers how loaded it is, or of a Prometheus server' }),
  signal_query: optional(text('PROMQL'), { help: 'query for the Prometheus server at signal_url' }),
  signal_token_file: optional(text('FILE'), { help: 'bearer token for signal_url', isPath: true }),
  signal_ca_file: optional(text('FILE'), { help: 'certificates to trust for signal_url, as PEM', isPath: true }),
  signal_threshold: optional(positive, { help: 'above this the rate is halved; of signal_command and signal_url' }),
} as const

export type SectionName = keyof typeof sectionTable
type ValueOf<E> = E extends KeyEntry<infer T> ? T : never
type ValuesOf<T> = { readonly [K in keyof T]: ValueOf<T[K]> }
export type SectionValues<S extends SectionName> = ValuesOf<(typeof sectionTable)[S]>
export type ConnectionValues = ValuesOf<typeof connectionTable>

export const sectionNames: readonly SectionName[] = ['kafka', 'registry', 'serve', 'api']

/** Entries of a section with their value types forgotten. */
export function sectionEntries(section: SectionName): ReadonlyMap<string, KeyEntry<unknown>> {
  return new Map<string, KeyEntry<unknown>>(Object.entries(sectionTable[section]))
}

export const connectionEntries: ReadonlyMap<string, KeyEntry<unknown>> = new Map<string, KeyEntry<unknown>>(
  Object.entries(connectionTable),
)

/** `WAYBILL_KAFKA_BROKERS`; lists are written with commas there. */
export function sectionVariable(section: SectionName, key: string): string {
  return `WAYBILL_${section}_${key.replaceAll('.', '_')}`.toUpperCase()
}

export const sectionVariables: readonly string[] = sectionNames.flatMap((section) =>
  [...sectionEntries(section).keys()].map((key) => sectionVariable(section, key)),
)
