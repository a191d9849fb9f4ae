// What SOURCE and TARGET may be: ./folder, /folder, file:///folder, s3://bucket/prefix?endpoint=..., @alias, @alias/below.
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { nearest } from './spelling.ts'
import { endpoint as endpointUrl } from './value-types.ts'

export interface FileLocation {
  readonly kind: 'files'
  /** Absolute. */
  readonly path: string
}

export interface S3Location {
  readonly kind: 's3'
  readonly bucket: string
  /** No slash at either end; empty for the whole bucket. */
  readonly prefix: string
  /** From the query form; flags beat it. */
  readonly endpoint: string | null
  readonly region: string | null
  readonly isPathStyle: boolean | null
  readonly profile: string | null
  /** From `s3://KEY:SECRET@bucket`: works, is warned about, and is never written anywhere. */
  readonly identity: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
}

export type Location = FileLocation | S3Location

const later = new Set(['gs', 'postgres', 'postgresql', 'mysql', 'az', 'sftp', 'http', 'https', 'ftp'])
const queryNames = ['endpoint', 'region', 'path-style', 'profile'] as const
/** S3's rule for bucket names, older ones with underscores and capitals included. */
const bucketPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/
const s3Pattern = /^s3:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/is
const locationCharactersMax = 8192

const usage = (problem: string): WaybillError => new WaybillError('USAGE', { problem })

/** Stores fold empty and dotted parts in different ways: two names would become one. */
function checkedPrefix(prefix: string): string {
  const parts = prefix === '' ? [] : prefix.split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw usage(`the prefix ${showText(prefix)} has an empty part, . or ..`)
  }
  return prefix
}

function identityOf(user: string | undefined): S3Location['identity'] {
  if (user === undefined) return null
  const colon = user.indexOf(':')
  // The text is not told: it may be a secret.
  if (colon < 1 || colon === user.length - 1) throw usage('what stands before @ in an S3 location is not KEY:SECRET')
  const plain = (text: string): string => (/%(?![0-9a-fA-F]{2})/.test(text) ? text : decodeURIComponent(text))
  return { accessKeyId: plain(user.slice(0, colon)), secretAccessKey: plain(user.slice(colon + 1)) }
}

function queryOf(query: string): Pick<S3Location, 'endpoint' | 'region' | 'isPathStyle' | 'profile'> {
  const values = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!queryNames.some((known) => known === name)) {
      const best = nearest(name, queryNames)
      const hint = best === null ? `; it knows ${queryNames.join(', ')}` : `; did you mean ${best}?`
      throw usage(`an S3 location knows no "${showText(name)}"${hint}`)
    }
    if (value === '') throw usage(`"${name}" is empty in the S3 location`)
    if (values.has(name)) throw usage(`"${name}" stands twice in the S3 location`)
    values.set(name, value)
  }
  const endpoint = values.get('endpoint') ?? null
  const checked = endpoint === null ? null : endpointUrl.parse(endpoint)
  if (checked?.ok === false) throw usage(checked.problem)
  const style = values.get('path-style')
  if (style !== undefined && style !== 'true' && style !== 'false') throw usage('path-style is true or false')
  return {
    endpoint,
    region: values.get('region') ?? null,
    isPathStyle: style === undefined ? null : style === 'true',
    profile: values.get('profile') ?? null,
  }
}

function parseS3(text: string): S3Location {
  const [, user, bucket = '', prefix = '', query = ''] = s3Pattern.exec(text) ?? []
  if (!bucketPattern.test(bucket)) throw usage(`"${showText(bucket)}" is not the name of a bucket`)
  return {
    kind: 's3',
    bucket,
    prefix: checkedPrefix(prefix.replace(/\/+$/, '')),
    identity: identityOf(user),
    ...queryOf(query),
  }
}

function parseFileUrl(text: string): FileLocation {
  try {
    return { kind: 'files', path: resolve(fileURLToPath(text)) }
  } catch (cause) {
    throw new WaybillError('USAGE', { problem: `${text} is no file URL; write file:///folder` }, { cause })
  }
}

function parseAlias(text: string, aliases: ReadonlyMap<string, string>): Location {
  const slash = text.indexOf('/')
  const name = text.slice(1, slash === -1 ? undefined : slash)
  const below = slash === -1 ? '' : text.slice(slash + 1).replace(/\/+$/, '')
  const named = aliases.get(name)
  if (named === undefined) {
    const best = nearest(name, [...aliases.keys()])
    throw usage(
      `there is no alias @${name} in the configuration file${best === null ? '' : `; did you mean @${best}?`}`,
    )
  }
  if (named.startsWith('@')) throw usage(`the alias @${name} leads to another alias`)
  // A relative path would mean another folder in each working folder.
  if (!named.includes('://') && !isAbsolute(named)) throw usage(`the alias @${name} is not an absolute location`)
  const base = parseLocation(named, aliases)
  if (below === '') return base
  if (base.kind === 'files') return { kind: 'files', path: join(base.path, below) }
  return { ...base, prefix: checkedPrefix(base.prefix === '' ? below : `${base.prefix}/${below}`) }
}

/** Throws USAGE for what is no location, NOT_SUPPORTED for kinds that come later. */
export function parseLocation(text: string, aliases: ReadonlyMap<string, string>): Location {
  if (text === '' || text.includes('\0')) throw usage('a location is empty or holds a zero byte')
  if (text.length > locationCharactersMax) throw usage('a location is too long')
  if (text.startsWith('@')) return parseAlias(text, aliases)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'files', path: resolve(text) }
  if (scheme === 's3') return parseS3(text)
  if (scheme === 'file') return parseFileUrl(text)
  if (later.has(scheme)) throw new WaybillError('NOT_SUPPORTED', { problem: `${scheme}:// is not supported yet` })
  throw usage(`${scheme}:// is no kind of location; there is a folder, file:/// and s3://`)
}

/** The one way a location is written in the log, in reports and in a job's name; no credentials, no query. */
export function locationText(location: Location): string {
  if (location.kind === 'files') return location.path
  return `s3://${location.bucket}${location.prefix === '' ? '' : `/${location.prefix}`}`
}

/** What a person should know about a location that was accepted all the same. */
export function locationWarning(location: Location): string | null {
  if (location.kind === 'files' || location.identity === null) return null
  return 'a location holds a secret, which everyone on this machine can see in the list of processes; use a profile or the environment'
}
