// The only reader of process.env. Everything else takes what it needs as an argument.
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

export interface AwsEnvironment {
  /** AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL. */
  readonly endpoint: string | null
  readonly region: string | null
  readonly profile: string | null
  readonly caFile: string | null
}

/** Proxies as other programs know them; lower-case names win, as with curl. */
export interface ProxyEnvironment {
  readonly http: string | null
  readonly https: string | null
  /** Hosts that are reached without a proxy: names, suffixes, addresses, `*`. */
  readonly none: readonly string[]
}

export interface Environment {
  readonly home: string
  /** `$XDG_CONFIG_HOME/waybill` */
  readonly configFolder: string
  /** `$XDG_STATE_HOME/waybill` */
  readonly stateFolder: string
  /** A variable that the configuration file names for a password; null: not set, or empty. */
  readonly secret: (name: string) => string | null
  /** WAYBILL_* as they were set, by full name; the command line's option table gives them meaning. */
  readonly waybill: ReadonlyMap<string, string>
  readonly aws: AwsEnvironment
  readonly proxies: ProxyEnvironment
  /** NO_COLOR is set and not empty (no-color.org). */
  readonly hasNoColor: boolean
  /** TERM=dumb: a terminal that cannot move its cursor. */
  readonly isDumbTerminal: boolean
  /** The locale is UTF-8, or none is set. */
  readonly isUnicode: boolean
  /** CI is set: a missing test server is a failure there. */
  readonly isCi: boolean
}

type Variables = Readonly<Record<string, string | undefined>>

function setting(variables: Variables, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = variables[name]
    if (value !== undefined && value !== '') return value
  }
  return null
}

/** The XDG specification: a relative path is invalid and must be ignored. */
function xdgFolder(variables: Variables, name: string, fallback: string): string {
  const value = setting(variables, name)
  return join(value !== null && isAbsolute(value) ? value : fallback, 'waybill')
}

/** A copy of what the process was started with; it does not follow later changes. */
export function readEnvironment(variables: Variables = process.env): Environment {
  const home = setting(variables, 'HOME') ?? homedir()
  const copy = { ...variables }
  const waybill = new Map<string, string>()
  for (const [name, value] of Object.entries(variables)) {
    if (name.startsWith('WAYBILL_') && value !== undefined) waybill.set(name, value)
  }
  return {
    home,
    configFolder: xdgFolder(variables, 'XDG_CONFIG_HOME', join(home, '.config')),
    stateFolder: xdgFolder(variables, 'XDG_STATE_HOME', join(home, '.local', 'state')),
    secret: (name) => setting(copy, name),
    waybill,
    aws: {
      endpoint: setting(variables, 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'),
      region: setting(variables, 'AWS_REGION', 'AWS_DEFAULT_REGION'),
      profile: setting(variables, 'AWS_PROFILE'),
      caFile: setting(variables, 'AWS_CA_BUNDLE'),
    },
    proxies: {
      http: setting(variables, 'http_proxy', 'HTTP_PROXY'),
      https: setting(variables, 'https_proxy', 'HTTPS_PROXY'),
      none: (setting(variables, 'no_proxy', 'NO_PROXY') ?? '').split(/[\s,]+/).filter((host) => host !== ''),
    },
    hasNoColor: setting(variables, 'NO_COLOR') !== null,
    isDumbTerminal: setting(variables, 'TERM') === 'dumb',
    isUnicode: /utf-?8/i.test(setting(variables, 'LC_ALL', 'LC_CTYPE', 'LANG') ?? 'utf8'),
    isCi: !['', 'false', '0', null].includes(setting(variables, 'CI')),
  }
}
