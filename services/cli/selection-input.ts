// Reads the rules and names that select items, in the order in which they were typed.
import { open } from 'node:fs/promises'
import { WaybillError } from '#libs/domain/errors'
import { compileGlob } from '#libs/domain/glob'
import { type NameList, nameListBytesMax, parseNameList } from '#libs/domain/name-list'
import type { Parsed } from '#libs/domain/quantity'
import { closeRules, parseFilterFile, type SelectionRule } from '#libs/domain/selection'
import type { TypedOption } from './parser.ts'

const filterFileBytesMax = 16 * 1024 * 1024

function checked<T>(result: Parsed<T>, where: string): T {
  if (!result.ok) throw new WaybillError('USAGE', { problem: `${where}: ${result.problem}` })
  return result.value
}

async function readLimited(option: string, path: string, bytesMax: number): Promise<Buffer> {
  const place = `--${option} ${path}`
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      if (size > bytesMax) throw new WaybillError('USAGE', { problem: `${place}: it is larger than ${bytesMax} bytes` })
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new WaybillError('USAGE', { problem: `${place}: ${reason}` }, { cause })
  }
}

/** The rules of --include, --exclude and --filter-from. Throws USAGE. */
export async function readRules(typed: readonly TypedOption[]): Promise<readonly SelectionRule[]> {
  const rules: SelectionRule[] = []
  for (const { name, text } of typed) {
    if (name === 'filter-from') {
      const bytes = await readLimited(name, text, filterFileBytesMax)
      rules.push(...checked(parseFilterFile(bytes), `--filter-from ${text}`))
    } else if (name === 'include' || name === 'exclude') {
      checked(compileGlob(text), `--${name}`)
      rules.push({ action: name, glob: text })
    }
  }
  return closeRules(
    rules,
    typed.some(({ name }) => name === 'include'),
  )
}

async function readInput(input: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of input) {
    length += piece.length
    if (length > nameListBytesMax)
      throw new WaybillError('USAGE', { problem: '--files-from -: it is larger than 1 GiB' })
    pieces.push(piece)
  }
  return Buffer.concat(pieces, length)
}

/** The names of --files-from; null without it. `-` reads standard input. Throws USAGE. */
export async function readNames(
  path: string | null,
  options: { readonly isNull: boolean; readonly input: AsyncIterable<Buffer> },
): Promise<NameList | null> {
  if (path === null) {
    if (options.isNull) throw new WaybillError('USAGE', { problem: '-0 speaks of --files-from, which is not given' })
    return null
  }
  const bytes = path === '-' ? await readInput(options.input) : await readLimited('files-from', path, nameListBytesMax)
  return checked(parseNameList(bytes, options.isNull ? 0 : 10), `--files-from ${path}`)
}
