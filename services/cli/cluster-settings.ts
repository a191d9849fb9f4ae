// From configuration to what a process of a cluster is made with: passwords and certificates are read, what contradicts
// itself is refused, what is not said is chosen.
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { WaybillError } from '#libs/domain/errors'
import type { ApiSettings, WebhookSettings } from '#libs/runtime/api-settings'
import type {
  ClusterSettings,
  ConnectionSettings,
  LogSettings,
  RegistrySettings,
  RoleName,
  SaslSettings,
} from '#libs/runtime/cluster-settings'
import type { CommandInput } from './command.ts'
import { type ConnectionValues, roleNames, type SectionValues } from './config-sections.ts'
import { protectionOfConnection } from './connection-protection.ts'
import { chunksDefault, requestsDefault } from './connections.ts'
import { type Location, parseLocation } from './locations.ts'

type ClusterInput = Pick<CommandInput, 'settings' | 'origins' | 'cluster' | 'config' | 'environment'>

function invalid({ config }: Pick<ClusterInput, 'config'>, problem: string, cause?: unknown): WaybillError {
  const place = config.isFound ? { path: config.path } : {}
  return new WaybillError('CONFIG_INVALID', { ...place, problem }, { cause })
}

async function readNamed(input: ClusterInput, place: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw invalid(input, `${place}: ${path} cannot be read (${code})`, error)
  }
}

interface PasswordWays {
  readonly place: string
  readonly text: string | null
  readonly variable: string | null
  readonly file: string | null
}

/** A password that is said in one of three ways; null when in none. */
async function passwordOf(input: ClusterInput, ways: PasswordWays): Promise<string | null> {
  const { place, text, variable, file } = ways
  const said = [text, variable, file].filter((way) => way !== null)
  if (said.length > 1) throw invalid(input, `${place}: the password is said in more than one way`)
  if (variable !== null) {
    const value = input.environment.secret(variable)
    if (value === null) throw invalid(input, `${place}: the variable ${variable} is not set`)
    return value
  }
  // Whoever writes such a file with an editor leaves a line end.
  if (file !== null) return (await readNamed(input, place, file)).replace(/\r?\n$/, '')
  return text
}

async function saslOf(input: ClusterInput, kafka: SectionValues<'kafka'>): Promise<SaslSettings | null> {
  const { sasl_mechanism: mechanism, sasl_username: username } = kafka
  const password = await passwordOf(input, {
    place: '[kafka]',
    text: kafka.sasl_password,
    variable: kafka.sasl_password_env,
    file: kafka.sasl_password_file,
  })
  if (mechanism === null && username === null && password === null) return null
  if (mechanism === null) throw invalid(input, '[kafka] has a name or a password, but no sasl_mechanism')
  if (username === null || password === null) throw invalid(input, '[kafka] needs sasl_username and a password')
  return { mechanism, username, password }
}

async function tlsOf(input: ClusterInput, kafka: SectionValues<'kafka'>): Promise<ConnectionOptions | boolean> {
  const { tls, 'tls.ca_file': ca, 'tls.cert_file': cert, 'tls.key_file': key } = kafka
  const files = { ca, cert, key }
  const named = Object.entries(files).flatMap(([name, path]) => (path === null ? [] : [[name, path] as const]))
  if (named.length === 0) return tls
  if (!tls) throw invalid(input, '[kafka] names certificates, and tls is false')
  if ((cert === null) !== (key === null)) throw invalid(input, '[kafka] needs both or none of cert_file and key_file')
  const texts = await Promise.all(
    named.map(async ([name, path]) => [name, await readNamed(input, `[kafka] ${name}_file`, path)] as const),
  )
  return Object.fromEntries(texts)
}

async function registryOf(input: ClusterInput): Promise<RegistrySettings | null> {
  const { registry } = input.cluster
  const { url, username, ca_file: caFile } = registry
  const password = await passwordOf(input, {
    place: '[registry]',
    text: registry.password,
    variable: registry.password_env,
    file: registry.password_file,
  })
  if (url === null) {
    const isSaid = [...input.cluster.origins.keys()].some((name) => name.startsWith('registry.'))
    if (isSaid) throw invalid(input, '[registry] has no url')
    return null
  }
  if ((username === null) !== (password === null))
    throw invalid(input, '[registry] needs both or none of name and password')
  return { url, auth: username === null || password === null ? null : { username, password }, caFile }
}

async function logOf(input: ClusterInput): Promise<LogSettings> {
  const { kafka, origins } = input.cluster
  const registry = await registryOf(input)
  if (kafka.brokers.length === 0) {
    if ([...origins.keys()].some((name) => name.startsWith('kafka.'))) throw invalid(input, '[kafka] has no brokers')
    if (registry !== null) throw invalid(input, '[registry] needs [kafka]: an embedded log has no registry')
    return { kind: 'embedded' }
  }
  const [ssl, sasl] = [await tlsOf(input, kafka), await saslOf(input, kafka)]
  return { kind: 'kafka', brokers: kafka.brokers, ssl, sasl, topicPrefix: kafka.topic_prefix, registry }
}

function placeOf(input: ClusterInput, name: string, text: string): Location {
  const where = `[connections.${name}]`
  try {
    const location = parseLocation(text, new Map())
    const isPlain = location.kind === 'files' ? isAbsolute(text) || text.startsWith('file:') : !/[?@]/.test(text)
    if (!isPlain)
      throw invalid(input, `${where}: location is an absolute folder or s3://bucket/prefix and nothing more`)
    return location
  } catch (error) {
    if (!(error instanceof WaybillError) || error.code === 'CONFIG_INVALID') throw error
    throw invalid(input, `${where}: ${String(error.facts['problem'])}`, error)
  }
}

const ofS3 = ['endpoint', 'region', 'path_style', 'profile', 'verify_profile'] as const

function connectionOf(input: ClusterInput, name: string, values: ConnectionValues): ConnectionSettings {
  const location = placeOf(input, name, values.location ?? '')
  const protection = protectionOfConnection(name, values, location.kind === 'files')
  if (!protection.ok) throw invalid(input, `[connections.${name}]: ${protection.problem}`)
  const guard = protection.value === null ? {} : { protection: protection.value }
  const { aws } = input.environment
  if (location.kind === 'files') {
    const stray = ofS3.find((key) => values[key] !== null)
    if (stray !== undefined) throw invalid(input, `[connections.${name}]: ${stray} speaks of S3, and this is a folder`)
    return { name, place: location, profile: null, verifyProfile: null, ...guard }
  }
  const endpoint = values.endpoint ?? aws.endpoint
  const { bucket, prefix } = location
  // Servers other than AWS rarely have a host name for each bucket.
  const isPathStyle = values.path_style ?? endpoint !== null
  return {
    name,
    place: { kind: 's3', bucket, prefix, endpoint, region: values.region ?? aws.region, isPathStyle },
    profile: values.profile ?? aws.profile,
    verifyProfile: values.verify_profile,
    ...guard,
  }
}

/** In the order of the table, so that one set of roles has one name. */
function rolesOf({ settings, cluster }: ClusterInput): readonly RoleName[] {
  const said = settings.roles ?? cluster.serve.roles
  return roleNames.filter((role) => said.includes(role))
}

const instanceCharactersMax = 128

/** Without a name that was given: host and roles, the same after a restart. */
function instanceOf({ settings, cluster }: ClusterInput, roles: readonly RoleName[]): string {
  const said = settings.instance ?? cluster.serve.instance
  if (said !== null) return said
  const host = hostname().replace(/[^A-Za-z0-9.-]+/g, '-')
  return [/^[A-Za-z0-9]/.test(host) ? host : `host${host}`, ...roles].join('-').slice(0, instanceCharactersMax)
}

/** Flags beat [serve], which beats what --state-dir is by environment and file. */
export function stateFolderOfCluster(input: ClusterInput, below: string): string {
  const { settings, origins, cluster, environment } = input
  const option = settings['state-dir']
  if (option !== null && origins.get('state-dir')?.kind === 'flag') return resolve(option)
  if (cluster.serve.state_dir !== null) return cluster.serve.state_dir
  return join(option === null ? environment.stateFolder : resolve(option), below)
}

/** Tokens are of a machine, not of one process: all that serve from one state folder take the same. */
export function tokensFileOf(input: ClusterInput): string {
  return input.cluster.api.tokens_file ?? join(stateFolderOfCluster(input, ''), 'tokens.json')
}

/** Throws CONFIG_INVALID for an address to which what is sent would travel in the clear, or without a signature. */
async function webhookOf(input: ClusterInput): Promise<WebhookSettings | null> {
  const { api } = input.cluster
  const url = api.webhook_url
  const secret = await passwordOf(input, {
    place: '[api] webhook',
    text: api.webhook_secret,
    variable: api.webhook_secret_env,
    file: api.webhook_secret_file,
  })
  if (url === null && secret === null) return null
  if (url === null) throw invalid(input, '[api] has a webhook_secret and no webhook_url')
  if (secret === null) throw invalid(input, '[api] webhook_url needs a secret that signs what is sent')
  const { protocol, hostname: host } = new URL(url)
  if (protocol !== 'https:' && !['localhost', '127.0.0.1', '[::1]'].includes(host))
    throw invalid(input, '[api] webhook_url must be https')
  return { url, secret }
}

async function apiOf(input: ClusterInput): Promise<ApiSettings> {
  const [, host = '127.0.0.1', port = '8480'] = /^(.*):([0-9]+)$/.exec(input.cluster.api.listen) ?? []
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    tokensFile: tokensFileOf(input),
    webhook: await webhookOf(input),
  }
}

/** Throws CONFIG_INVALID, naming what is wrong. */
export async function clusterSettingsOf(input: ClusterInput): Promise<ClusterSettings> {
  const { settings, cluster, environment } = input
  const { serve } = cluster
  const roles = rolesOf(input)
  const instance = instanceOf(input, roles)
  const concurrency = serve.concurrency ?? settings.concurrency
  const connections = [...cluster.connections].map(
    ([name, values]) => [name, connectionOf(input, name, values)] as const,
  )
  return {
    roles,
    log: await logOf(input),
    stateFolder: stateFolderOfCluster(input, join('serve', instance)),
    instance,
    connections: new Map(connections),
    caFile: settings['ca-file'] ?? environment.aws.caFile,
    proxies: environment.proxies,
    memoryBytes: serve.memory ?? settings.memory,
    requestsMax: concurrency ?? requestsDefault,
    chunksMax: Math.min(concurrency ?? chunksDefault, chunksDefault),
    sourceRateBytesPerSecond: serve.source_rate,
    signingKeyFile: serve.signing_key,
    api: await apiOf(input),
  }
}

/**
 * Whether a command that reads jobs means those of the cluster: the configuration was named (or brokers stand in the
 * environment), and it names brokers. A file that is always there must not hide the jobs of this machine.
 */
export function isOfCluster({ cluster, config }: Pick<ClusterInput, 'cluster' | 'config'>): boolean {
  const isAsked = config.isNamed || cluster.origins.get('kafka.brokers')?.kind === 'environment'
  return isAsked && cluster.kafka.brokers.length > 0
}
