import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKeyFiles, isSignedBy, loadPublicKey, loadSigningKey, parsePublicKey, sign } from '#libs/report/keys'
import { temporaryFolder } from './sample.ts'

const invalid = { name: 'WaybillError', code: 'KEY_INVALID' }

test('a new key pair signs, verifies, and only the owner can read its private half', async (context) => {
  const path = join(await temporaryFolder(context), 'key.pem')
  const made = await generateKeyFiles(path)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const signing = await loadSigningKey(path)
  const publicKey = await loadPublicKey(`${path}.pub`)
  assert.equal(signing.publicKey.fingerprint, made.fingerprint)
  assert.equal(publicKey.fingerprint, made.fingerprint)
  const message = Buffer.from('footer\n')
  const signature = sign(message, signing)
  assert.ok(isSignedBy(message, signature, publicKey))
  assert.ok(!isSignedBy(Buffer.from('footer'), signature, publicKey))
  assert.ok(!isSignedBy(message, signature.subarray(1), publicKey))
})

test('a key that is there is never overwritten, neither half of it', async (context) => {
  const folder = await temporaryFolder(context)
  const path = join(folder, 'key.pem')
  await generateKeyFiles(path)
  const before = await readFile(path)
  await assert.rejects(generateKeyFiles(path), invalid)
  assert.deepEqual(await readFile(path), before)
  const other = join(folder, 'other.pem')
  await writeFile(`${other}.pub`, 'mine')
  await assert.rejects(generateKeyFiles(other), invalid)
  assert.equal(await readFile(`${other}.pub`, 'utf8'), 'mine')
  await assert.rejects(readFile(other), { code: 'ENOENT' })
})

test('what is no Ed25519 key of the needed half is refused, and never quoted', async (context) => {
  const folder = await temporaryFolder(context)
  const path = join(folder, 'key.pem')
  await generateKeyFiles(path)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const x25519 = generateKeyPairSync('x25519')
  const files = {
    text: 'not a key, but secret-words',
    empty: '',
    rsaPrivate: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    rsaPublic: rsa.publicKey.export({ type: 'spki', format: 'pem' }),
    x25519Private: x25519.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    x25519Public: x25519.publicKey.export({ type: 'spki', format: 'pem' }),
  }
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name)
    await writeFile(file, content)
    for (const load of [loadSigningKey, loadPublicKey]) {
      await assert.rejects(load(file), (error: unknown) => {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'KEY_INVALID', name)
        assert.ok(!JSON.stringify(error).includes('secret-words') && !error.message.includes('secret-words'))
        return true
      })
    }
  }
  await assert.rejects(loadSigningKey(`${path}.pub`), invalid)
  await assert.rejects(loadPublicKey(path), invalid)
  await assert.rejects(loadPublicKey(join(folder, 'none')), invalid)
  await assert.rejects(loadPublicKey(folder), invalid)
  assert.equal(parsePublicKey(Buffer.alloc(44)), null)
  assert.equal(parsePublicKey(x25519.publicKey.export({ type: 'spki', format: 'der' })), null)
})
