// Tokens of the API: a file in the state folder, 0600, that holds their SHA-256. A token is 256 random bits, so guessing it
// from its digest is out of reach whatever the digest costs; a slow hash (scrypt) guards words that people choose, and would
// let anyone who sends made-up tokens keep the processor busy.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { type Scope, scopes } from '#schemas/api/scopes'
import type { Clock } from './clock.ts'
import { makeFolder } from './folders.ts'

export interface TokenEntry {
  /** Also the public part of the token's text. */
  readonly id: string
  /** Actor of the events that it makes. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Hexadecimal SHA-256 of the whole text. */
  readonly digest: string
  readonly createdAt: string
  /** RFC 3339; null: it lasts. */
  readonly expiresAt: string | null
}

export interface FoundToken {
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

export interface TokenBook {
  /** null: not known, revoked or expired. */
  find(text: string): Promise<FoundToken | null>
}

const fileBytesMax = 1024 * 1024
const tokensMax = 1_000
const textPattern = /^wbt_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

function invalid(path: string, problem: string, cause?: unknown): WaybillError {
  return new WaybillError('CONFIG_INVALID', { path, problem }, { cause })
}

function isEntry(value: unknown): value is TokenEntry {
  if (typeof value !== 'object' || value === null) return false
  const entry = value as Partial<Record<keyof TokenEntry, unknown>>
  const { id, name, digest, createdAt, expiresAt } = entry
  const isText = [id, name, createdAt].every((each) => typeof each === 'string')
  const hasDigest = typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest)
  const hasScopes = Array.isArray(entry.scopes) && entry.scopes.every((each) => scopes.some((scope) => scope === each))
  return isText && hasDigest && hasScopes && (expiresAt === null || typeof expiresAt === 'string')
}

/** No file: no tokens. Throws CONFIG_INVALID for a file that is none, or that others can read. */
export async function readTokens(path: string): Promise<readonly TokenEntry[]> {
  let text: string
  try {
    const { mode, size } = await stat(path)
    if ((mode & 0o077) !== 0) throw invalid(path, 'others can read the tokens: chmod 600')
    if (size > fileBytesMax) throw invalid(path, 'it is too large')
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  const entries = parsed(path, text)
  if (!entries.every(isEntry)) throw invalid(path, 'it holds no tokens that this version knows')
  return entries
}

function parsed(path: string, text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    const entries = typeof value === 'object' && value !== null && 'tokens' in value ? value.tokens : null
    if (Array.isArray(entries)) return entries
  } catch (cause) {
    throw invalid(path, 'it is not JSON', cause)
  }
  throw invalid(path, 'it holds no tokens')
}

/** Written beside and renamed, so that a reader never sees half of it. */
async function writeTokens(path: string, tokens: readonly TokenEntry[]): Promise<void> {
  await makeFolder(dirname(path), 0o700)
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`
  const file = await open(partial, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ tokens }, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(partial, path)
}

export interface NewToken {
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAt: string | null
  readonly now: number
}

/** Adds a token; its text is returned once and kept nowhere. Throws CONFIG_INVALID. */
export async function createToken(
  path: string,
  token: NewToken,
): Promise<{ readonly text: string; readonly id: string }> {
  const tokens = await readTokens(path)
  if (tokens.length >= tokensMax) throw invalid(path, `it holds ${tokensMax} tokens already; revoke some`)
  const id = randomBytes(6).toString('hex')
  const text = `wbt_${id}_${randomBytes(32).toString('base64url')}`
  const { name, expiresAt, now } = token
  const entry: TokenEntry = {
    id,
    name,
    scopes: [...new Set(token.scopes)],
    digest: digestOf(text).toString('hex'),
    createdAt: new Date(now).toISOString(),
    expiresAt,
  }
  await writeTokens(path, [...tokens, entry])
  return { text, id }
}

/** false: there was none of this id. */
export async function revokeToken(path: string, id: string): Promise<boolean> {
  const tokens = await readTokens(path)
  const kept = tokens.filter((token) => token.id !== id)
  if (kept.length === tokens.length) return false
  await writeTokens(path, kept)
  return true
}

/** How long a change of the file may go unseen. */
const lookEveryMs = 1_000

/** Reads the file again when it changed: what was revoked is refused within a second. Throws CONFIG_INVALID. */
export async function openTokenBook(path: string, clock: Clock): Promise<TokenBook> {
  let known: ReadonlyMap<string, TokenEntry> = new Map()
  let stamp = ''
  let lookedAt = Number.NEGATIVE_INFINITY
  const look = async (): Promise<void> => {
    lookedAt = clock.monotonic()
    const { mtimeNs, ino, size } = await stat(path, { bigint: true })
    const found = `${mtimeNs}/${ino}/${size}`
    if (found === stamp) return
    known = new Map((await readTokens(path)).map((token) => [token.id, token]))
    stamp = found
  }
  await look()
  return {
    async find(text) {
      if (clock.monotonic() - lookedAt >= lookEveryMs) {
        await look().catch((error: unknown) => {
          // A file that is gone or broken opens nothing: who had a token has none now.
          known = new Map()
          stamp = ''
          if (!(error instanceof Error)) throw error
        })
      }
      const id = textPattern.exec(text)?.[1]
      const entry = id === undefined ? undefined : known.get(id)
      if (entry === undefined) return null
      if (!timingSafeEqual(Buffer.from(entry.digest, 'hex'), digestOf(text))) return null
      if (entry.expiresAt !== null && Date.parse(entry.expiresAt) <= clock.now()) return null
      return { name: entry.name, scopes: new Set(entry.scopes) }
    },
  }
}
