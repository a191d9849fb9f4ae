// The configuration file: options by their long names, names for locations under [aliases], and the sections of
// config-sections.ts. A waybill.toml in the working folder is used only when --config names it, since it may come from
// strangers.
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { WaybillError } from '#libs/domain/errors'
import { ConfigLines } from './config-lines.ts'
import { connectionEntries, type KeyEntry, type SectionName, sectionEntries, sectionNames } from './config-sections.ts'
import { isOptionName, type OptionName, optionEntry, optionNames } from './options.ts'
import { nearest } from './spelling.ts'

/** Texts of each key, as if they had been typed. */
export type KeyTexts = ReadonlyMap<string, readonly string[]>

export interface ConfigFile {
  readonly path: string
  readonly options: ReadonlyMap<OptionName, readonly string[]>
  readonly aliases: ReadonlyMap<string, string>
  readonly sections: ReadonlyMap<SectionName, KeyTexts>
  readonly connections: ReadonlyMap<string, KeyTexts>
  /** Others than the owner may read the file. */
  readonly isOpenToOthers: boolean
}

type Table = Readonly<Record<string, unknown>>

const configBytesMax = 1024 * 1024
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

function invalid(path: string, problem: string, cause?: unknown): WaybillError {
  return new WaybillError('CONFIG_INVALID', { path, problem }, { cause })
}

/** Reads the file; null when it is not there. Throws CONFIG_INVALID. */
export async function readConfigFile(path: string): Promise<ConfigFile | null> {
  let text: string
  let isOpenToOthers: boolean
  try {
    const file = await open(path)
    try {
      const { size, mode } = await file.stat()
      if (size > configBytesMax) throw invalid(path, `it is larger than ${configBytesMax} bytes`)
      isOpenToOthers = (mode & 0o077) !== 0
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
  return { ...parseConfig(text, path), isOpenToOthers }
}

/** Throws CONFIG_INVALID with the line for broken TOML, with line and key for what does not belong there. */
export function parseConfig(text: string, path: string): ConfigFile {
  let table: Table
  try {
    table = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const sentence = error.message.split('\n')[0] ?? ''
    // The error itself quotes the lines around, which may hold a password: it is not kept.
    throw invalid(path, `line ${error.line}: ${sentence.replace(/^Invalid TOML document: /, '')}`)
  }
  return new ConfigReader(text, path).read(table)
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** Words that may stand at the top of the file. */
const topWords: readonly string[] = [...optionNames, ...sectionNames, 'aliases', 'connections']

class ConfigReader {
  readonly #path: string
  readonly #lines: ConfigLines

  constructor(text: string, path: string) {
    this.#path = path
    this.#lines = new ConfigLines(text)
  }

  read(table: Table): ConfigFile {
    const options = new Map<OptionName, readonly string[]>()
    const sections = new Map<SectionName, KeyTexts>()
    let aliases = new Map<string, string>()
    let connections = new Map<string, KeyTexts>()
    for (const [key, value] of Object.entries(table)) {
      const section = sectionNames.find((name) => name === key)
      if (section !== undefined) sections.set(section, this.#keys([key], value, sectionEntries(section)))
      else if (key === 'aliases') aliases = this.#aliases(value)
      else if (key === 'connections') connections = this.#connections(value)
      else options.set(...this.#option(key, value))
    }
    for (const name of connections.keys()) {
      if (aliases.has(name)) throw this.#invalid(['aliases', name], `"${name}" is an alias and a connection`)
    }
    return { path: this.#path, options, aliases, sections, connections, isOpenToOthers: false }
  }

  #invalid(place: readonly string[], problem: string): WaybillError {
    const line = this.#lines.lineOf(place)
    return invalid(this.#path, line === null ? problem : `line ${line}: ${problem}`)
  }

  #unknown(place: readonly string[], known: readonly string[]): WaybillError {
    const key = place.at(-1) ?? ''
    const where = place.length > 1 ? ` in [${place.slice(0, -1).join('.')}]` : ''
    const best = nearest(key, known)
    return this.#invalid(place, `unknown key "${key}"${where}${best === null ? '' : `; did you mean "${best}"?`}`)
  }

  #option(key: string, value: unknown): [OptionName, readonly string[]] {
    if (!isOptionName(key)) throw this.#unknown([key], topWords)
    const entry = optionEntry(key)
    if (entry.isTypedOnly === true || key === 'config')
      throw this.#invalid([key], `"${key}" can be given on the command line only`)
    const isFlag = entry.type.placeholder === ''
    const texts = this.#texts([key], value, { isFlag, isList: entry.isRepeatable })
    const result = entry.read(texts)
    if (!result.ok) throw this.#invalid([key], `"${key}": ${result.problem}`)
    return [key, texts]
  }

  #texts(place: readonly string[], value: unknown, kind: { isFlag: boolean; isList: boolean }): readonly string[] {
    const values: readonly unknown[] = Array.isArray(value) && kind.isList ? value : [value]
    return values.map((each) => {
      if (typeof each === 'string') return each
      if (typeof each === 'boolean' && kind.isFlag) return String(each)
      if (typeof each === 'number' && !kind.isFlag) return String(each)
      throw this.#invalid(place, `"${place.at(-1)}" has a value of the wrong kind`)
    })
  }

  #aliases(value: unknown): Map<string, string> {
    const aliases = new Map<string, string>()
    if (!isTable(value)) throw this.#invalid(['aliases'], '[aliases] must be a table')
    for (const [name, location] of Object.entries(value)) {
      const place = ['aliases', name]
      if (!namePattern.test(name)) throw this.#invalid(place, `"${name}" is no name for an alias`)
      if (typeof location !== 'string') throw this.#invalid(place, `the alias "${name}" must be a location in quotes`)
      aliases.set(name, location)
    }
    return aliases
  }

  #connections(value: unknown): Map<string, KeyTexts> {
    const connections = new Map<string, KeyTexts>()
    if (!isTable(value)) throw this.#invalid(['connections'], 'connections are written as [connections.NAME]')
    for (const [name, table] of Object.entries(value)) {
      const place = ['connections', name]
      if (!namePattern.test(name)) throw this.#invalid(place, `"${name}" is no name for a connection`)
      const texts = this.#keys(place, table, connectionEntries)
      if (!texts.has('location')) throw this.#invalid(place, `[connections.${name}] has no location`)
      connections.set(name, texts)
    }
    return connections
  }

  /** Keys of a table; a table in it stands for keys with a dot. */
  #keys(place: readonly string[], value: unknown, entries: ReadonlyMap<string, KeyEntry<unknown>>): KeyTexts {
    if (!isTable(value)) throw this.#invalid(place, `[${place.join('.')}] must be a table`)
    const texts = new Map<string, readonly string[]>()
    const take = (key: string, at: readonly string[], one: unknown): void => {
      const isParent = [...entries.keys()].some((name) => name.startsWith(`${key}.`))
      if (!isTable(one) || !isParent) {
        texts.set(key, this.#value(key, at, one, entries))
        return
      }
      texts.set(key, ['true'])
      for (const [name, each] of Object.entries(one)) take(`${key}.${name}`, [...at, name], each)
    }
    for (const [key, one] of Object.entries(value)) take(key, [...place, key], one)
    return texts
  }

  #value(
    key: string,
    place: readonly string[],
    value: unknown,
    entries: ReadonlyMap<string, KeyEntry<unknown>>,
  ): readonly string[] {
    const entry = entries.get(key)
    if (entry === undefined) {
      const stem = key.slice(0, key.lastIndexOf('.') + 1)
      const known = [...entries.keys()].filter((name) => name.startsWith(stem)).map((name) => name.slice(stem.length))
      throw this.#unknown(place, known)
    }
    const isFlag = entry.type.placeholder === ''
    const texts = this.#texts(place, value, { isFlag, isList: entry.isList })
    const result = entry.read(texts)
    // The text of a secret is not told.
    if (!result.ok) throw this.#invalid(place, `"${key}": ${entry.isSecret ? 'it is not valid' : result.problem}`)
    return entry.isPath === true ? texts.map((one) => resolve(dirname(this.#path), one)) : texts
  }
}
