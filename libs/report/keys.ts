// Ed25519 (RFC 8032) keys that sign reports: PKCS#8 and SPKI in PEM, as openssl reads and writes them. A fingerprint is
// the SHA-256 of the public key's DER form in hex, what `openssl pkey -pubin -outform DER | sha256sum` prints.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto'
import { open, readFile, unlink } from 'node:fs/promises'
import { WaybillError } from '#libs/domain/errors'
import { sha256 } from './merkle.ts'

export interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicKey: PublicKey
}

export interface PublicKey {
  readonly key: KeyObject
  /** SPKI, DER. */
  readonly der: Buffer
  /** 64 hex digits. */
  readonly fingerprint: string
}

const keyFileBytesMax = 64 * 1024
const signatureBytes = 64

function publicKeyOf(key: KeyObject): PublicKey {
  const der = key.export({ type: 'spki', format: 'der' })
  return { key, der, fingerprint: sha256(der).toString('hex') }
}

/**
 * Writes a new private key to `path` (mode 0600) and its public key to `path`.pub; returns the public key. Throws
 * KEY_INVALID when one of the files is there: a key is never overwritten.
 */
export async function generateKeyFiles(path: string): Promise<PublicKey> {
  const pair = generateKeyPairSync('ed25519')
  await writeNewFile(path, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600)
  try {
    await writeNewFile(`${path}.pub`, pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(), 0o644)
  } catch (error) {
    // A private key whose public half could not be written would only block the next try.
    await unlink(path)
    throw error
  }
  return publicKeyOf(pair.publicKey)
}

async function writeNewFile(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, 'wx', mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new WaybillError('KEY_INVALID', { path, reason: reasonOf(cause, 'the file is there already') }, { cause })
  }
}

function reasonOf(cause: unknown, ifExists: string): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  return code === 'EEXIST' ? ifExists : `the system said ${code}`
}

async function readKeyFile<T>(path: string, parse: (pem: string) => T): Promise<T> {
  let pem: string
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      if (size > keyFileBytesMax) throw new WaybillError('KEY_INVALID', { path, reason: 'the file is too large' })
      pem = await readFile(file, 'utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    throw new WaybillError('KEY_INVALID', { path, reason: reasonOf(cause, '') }, { cause })
  }
  try {
    return parse(pem)
  } catch {
    // The parser's error is left out: it may quote the file.
    throw new WaybillError('KEY_INVALID', { path, reason: 'the file is not such a key in PEM' })
  }
}

function demandEd25519(key: KeyObject, path: string): void {
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new WaybillError('KEY_INVALID', { path, reason: `it is a key of type ${key.asymmetricKeyType ?? 'unknown'}` })
  }
}

/** Loads a private key (PKCS#8, PEM). Throws KEY_INVALID. */
export async function loadSigningKey(path: string): Promise<SigningKey> {
  const privateKey = await readKeyFile(path, (pem) => createPrivateKey(pem))
  demandEd25519(privateKey, path)
  return { privateKey, publicKey: publicKeyOf(createPublicKey(privateKey)) }
}

/** Loads a public key (SPKI, PEM). A private key is refused: it should not be where reports are checked. Throws KEY_INVALID. */
export async function loadPublicKey(path: string): Promise<PublicKey> {
  const key = await readKeyFile(path, (pem) => {
    if (pem.includes('PRIVATE KEY')) throw new Error('a private key')
    return createPublicKey(pem)
  })
  demandEd25519(key, path)
  return publicKeyOf(key)
}

/** The key of a signature line; null when the bytes are no Ed25519 key in their one DER form. */
export function parsePublicKey(der: Buffer): PublicKey | null {
  try {
    const parsed = publicKeyOf(createPublicKey({ key: der, format: 'der', type: 'spki' }))
    return parsed.key.asymmetricKeyType === 'ed25519' && parsed.der.equals(der) ? parsed : null
  } catch {
    return null
  }
}

/** 64 bytes. */
export function sign(message: Buffer, key: SigningKey): Buffer {
  return signBytes(null, message, key.privateKey)
}

export function isSignedBy(message: Buffer, signature: Buffer, key: PublicKey): boolean {
  return signature.length === signatureBytes && verifyBytes(null, message, key.key, signature)
}
