// A certificate authority of a test's own and a certificate for 127.0.0.1, made by openssl: Node can read but not make them.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestCertificates {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  remove(): void
}

/** @returns null where there is no openssl. */
export function makeCertificates(): TestCertificates | null {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-certificates-'))
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  }
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  try {
    const authority = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign']
    openssl(
      'req',
      '-x509',
      ...curve,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=test CA',
      ...authority,
    )
    openssl('req', ...curve, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=127.0.0.1')
    writeFileSync(at('names.txt'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names.txt', '-days', '2']
    openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...signing)
  } catch (error) {
    remove()
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  return { caFile: at('ca.pem'), certFile: at('server.pem'), keyFile: at('server.key'), remove }
}
