// The configuration file: options by their long names, and names for locations under [aliases]. A waybill.toml in the
// working folder is used only when --config names it, since it may come from strangers.
import { open } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import { WaybillError } from '#libs/domain/errors'
import { isOptionName, type OptionName, optionEntry, optionNames } from './options.ts'
import { nearest } from './spelling.ts'

export interface ConfigFile {
  readonly path: string
  /** Texts of each option, as if they had been typed. */
  readonly options: ReadonlyMap<OptionName, readonly string[]>
  readonly aliases: ReadonlyMap<string, string>
}

const configBytesMax = 1024 * 1024

function invalid(path: string, problem: string, cause?: unknown): WaybillError {
  return new WaybillError('CONFIG_INVALID', { path, problem }, { cause })
}

/** Reads the file; null when it is not there. Throws CONFIG_INVALID. */
export async function readConfigFile(path: string): Promise<ConfigFile | null> {
  let text: string
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      if (size > configBytesMax) throw invalid(path, `it is larger than ${configBytesMax} bytes`)
      text = await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof WaybillError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw invalid(path, `it cannot be read (${code})`, error)
  }
  return parseConfig(text, path)
}

/** Throws CONFIG_INVALID with the line for broken TOML, with the key for what does not belong there. */
export function parseConfig(text: string, path: string): ConfigFile {
  let table: Readonly<Record<string, unknown>>
  try {
    table = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const sentence = error.message.split('\n')[0] ?? ''
    throw invalid(path, `line ${error.line}: ${sentence.replace(/^Invalid TOML document: /, '')}`, error)
  }
  const options = new Map<OptionName, readonly string[]>()
  let aliases = new Map<string, string>()
  for (const [key, value] of Object.entries(table)) {
    if (key === 'aliases') aliases = readAliases(value, path)
    else options.set(...readOption(key, value, path))
  }
  return { path, options, aliases }
}

function readOption(key: string, value: unknown, path: string): [OptionName, readonly string[]] {
  if (!isOptionName(key)) {
    const best = nearest(key, optionNames)
    throw invalid(path, `unknown key "${key}"${best === null ? '' : `; did you mean "${best}"?`}`)
  }
  const entry = optionEntry(key)
  if (entry.isTypedOnly === true || key === 'config')
    throw invalid(path, `"${key}" can be given on the command line only`)
  const values: readonly unknown[] = Array.isArray(value) && entry.isRepeatable ? value : [value]
  const texts = values.map((each) => {
    if (typeof each === 'string') return each
    const isFlag = entry.type.placeholder === ''
    if (typeof each === 'boolean' && isFlag) return String(each)
    if (typeof each === 'number' && !isFlag) return String(each)
    throw invalid(path, `"${key}" has a value of the wrong kind`)
  })
  const result = entry.read(texts)
  if (!result.ok) throw invalid(path, `"${key}": ${result.problem}`)
  return [key, texts]
}

function readAliases(value: unknown, path: string): Map<string, string> {
  const aliases = new Map<string, string>()
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path, '[aliases] must be a table')
  for (const [name, location] of Object.entries(value)) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) throw invalid(path, `"${name}" is no name for an alias`)
    if (typeof location !== 'string') throw invalid(path, `the alias "${name}" must be a location in quotes`)
    aliases.set(name, location)
  }
  return aliases
}
