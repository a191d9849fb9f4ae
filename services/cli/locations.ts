// What SOURCE and TARGET may be: a folder, file:///..., s3://bucket/prefix?endpoint=..., @alias.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WaybillError } from '#libs/domain/errors'

export interface FileLocation {
  readonly kind: 'files'
  /** Absolute. */
  readonly path: string
}

export interface S3Location {
  readonly kind: 's3'
  readonly bucket: string
  readonly prefix: string
  /** From the query form; flags beat it. */
  readonly endpoint: string | null
  readonly region: string | null
  readonly isPathStyle: boolean | null
}

export type Location = FileLocation | S3Location

const later = new Set(['gs', 'postgres', 'postgresql', 'mysql', 'az', 'sftp', 'http', 'https', 'ftp'])
const queryNames = new Set(['endpoint', 'region', 'path-style'])
/** S3's rule for bucket names, older ones with underscores and capitals included. */
const bucketPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/

const usage = (problem: string): WaybillError => new WaybillError('USAGE', { problem })

function parseS3(text: string): S3Location {
  const match = /^s3:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text)
  const [, bucket = '', prefix = '', query = ''] = match ?? []
  if (bucket.includes('@'))
    throw usage(`${text}: credentials do not belong into a location; use a profile or the environment`)
  if (!bucketPattern.test(bucket)) throw usage(`${text}: "${bucket}" is no name of a bucket`)
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (!queryNames.has(name)) throw usage(`${text}: "${name}" is not one of ${[...queryNames].join(', ')}`)
  }
  const style = parameters.get('path-style')
  return {
    kind: 's3',
    bucket,
    prefix,
    endpoint: parameters.get('endpoint'),
    region: parameters.get('region'),
    isPathStyle: style === null ? null : style !== 'false',
  }
}

function parseFileUrl(text: string): FileLocation {
  try {
    return { kind: 'files', path: fileURLToPath(text) }
  } catch (cause) {
    throw new WaybillError('USAGE', { problem: `${text} is no file URL` }, { cause })
  }
}

/** Throws USAGE for what is no location, NOT_SUPPORTED for kinds that come later. */
export function parseLocation(text: string, aliases: ReadonlyMap<string, string>): Location {
  if (text === '') throw usage('a location is empty')
  if (text.startsWith('@')) {
    const named = aliases.get(text.slice(1))
    if (named === undefined) throw usage(`there is no alias ${text} in the configuration file`)
    if (named.startsWith('@')) throw usage(`the alias ${text} leads to another alias`)
    return parseLocation(named, aliases)
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'files', path: resolve(text) }
  if (scheme === 's3') return parseS3(text)
  if (scheme === 'file') return parseFileUrl(text)
  const known = later.has(scheme) ? 'is not supported yet' : 'is no kind of location that waybill knows'
  throw new WaybillError(later.has(scheme) ? 'NOT_SUPPORTED' : 'USAGE', { problem: `${scheme}:// ${known}` })
}

/** The one way a location is written in the log, in reports and in a job's name; no credentials, no query. */
export function locationText(location: Location): string {
  if (location.kind === 'files') return location.path
  return `s3://${location.bucket}${location.prefix === '' ? '' : `/${location.prefix}`}`
}
