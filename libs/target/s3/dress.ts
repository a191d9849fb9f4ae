// What an object carries beside its bytes (docs/keys.md): our mark, the time as rclone keeps it, mode and owner under the
// names that rclone uses for them, the kind of what is not a file, and a content type by name.
import mime from 'mime'
import type { Bytes } from '#schemas/avro'
import type { ItemKind } from '#schemas/records'
import { markText, parseMark } from '../mark.ts'
import type { Mark, ObjectDress } from '../target.ts'

const fileTypes: Readonly<Record<ItemKind, number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  special: 0,
}
const contentTypes: Partial<Record<ItemKind, string>> = {
  directory: 'application/x-directory',
  symlink: 'inode/symlink',
}
const permissionBits = 0o7777

const plainValue = /^[!-$&-~]*$/

/** Metadata values travel as headers: stores disagree about anything but visible ASCII, so the rest is escaped. */
function headerValue(text: string): string {
  if (plainValue.test(text)) return text
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^!-$&-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

function textOfValue(value: string): string {
  const bytes = value.replace(/%([0-9A-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Seconds since 1970 with a fraction, trailing zeros cut: `1354040105.123456789`. @param ns a decimal string. */
export function secondsOfNs(ns: string): string {
  const isNegative = ns.startsWith('-')
  const digits = (isNegative ? ns.slice(1) : ns).padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return `${isNegative ? '-' : ''}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`
}

const metadataPrefix = 'x-amz-meta-'

/** User metadata as headers, in the order of their names. */
export function metadataHeaders(dress: ObjectDress, kind: ItemKind): string[] {
  const { mode, uid, gid } = dress.attributes
  const headers = ['x-amz-meta-gid', String(gid)]
  headers.push('x-amz-meta-mode', ((mode & permissionBits) | fileTypes[kind]).toString(8))
  headers.push('x-amz-meta-mtime', secondsOfNs(dress.mtimeNs), 'x-amz-meta-uid', String(uid))
  headers.push('x-amz-meta-waybill', headerValue(markText(dress.mark)))
  if (kind !== 'file') headers.push('x-amz-meta-waybill-kind', kind)
  return headers
}

/** The same as the SDK takes it: without the `x-amz-meta-` before each name. */
export function metadataOf(dress: ObjectDress, kind: ItemKind): Record<string, string> {
  const headers = metadataHeaders(dress, kind)
  const metadata: Record<string, string> = {}
  for (let at = 0; at < headers.length; at += 2) {
    metadata[(headers[at] ?? '').slice(metadataPrefix.length)] = headers[at + 1] ?? ''
  }
  return metadata
}

export function contentType(key: Bytes, kind: ItemKind): string {
  return contentTypes[kind] ?? mime.getType(key.toString('utf8')) ?? 'application/octet-stream'
}

/** null: no mark, or a stranger's. @param value of the metadata `waybill`. */
export function markOfMetadata(value: string | null): Mark | null {
  return value === null ? null : parseMark(textOfValue(value))
}

export function kindOfMetadata(value: string | null): ItemKind {
  return value === 'symlink' || value === 'directory' ? value : 'file'
}
