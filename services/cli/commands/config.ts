import { redactText } from '#libs/runtime/redaction'
import { clusterSettingsOf } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { connectionEntries, type KeyEntry, sectionEntries, sectionNames } from '../config-sections.ts'
import { optionEntry, optionNames } from '../options.ts'
import type { Origin } from '../settings.ts'

function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return 'command line'
    case 'environment':
      return origin.variable
    case 'config':
      return origin.path
    case 'default':
      return 'default'
  }
}

interface ShownSetting {
  readonly name: string
  readonly value: string | null
  readonly origin: string
}

function shownSettings({ settings, origins }: CommandInput): readonly ShownSetting[] {
  // Options that are typed only have no value beyond one command line.
  const names = optionNames.filter((name) => optionEntry(name).isTypedOnly !== true)
  return names.map((name) => {
    const texts = optionEntry(name).show(settings[name])
    const value = texts.length === 0 ? null : redactText(texts.join(', '))
    return { name, value, origin: originText(origins.get(name) ?? { kind: 'default' }) }
  })
}

const censored = '[redacted]'

function shownKeys(
  { cluster: { origins } }: CommandInput,
  place: string,
  entries: ReadonlyMap<string, KeyEntry<unknown>>,
  values: Readonly<Record<string, unknown>>,
): readonly ShownSetting[] {
  return [...entries].map(([key, entry]) => {
    const name = `${place}.${key}`
    const texts = entry.show(values[key])
    const value = texts.length === 0 ? null : entry.isSecret === true ? censored : redactText(texts.join(', '))
    return { name, value, origin: originText(origins.get(name) ?? { kind: 'default' }) }
  })
}

/** Sections of which something was said, whole, and every connection. */
function shownSections(input: CommandInput): readonly ShownSetting[] {
  const { cluster } = input
  const said = [...cluster.origins.keys()]
  const sections = sectionNames
    .filter((section) => said.some((name) => name.startsWith(`${section}.`)))
    .flatMap((section) => shownKeys(input, section, sectionEntries(section), cluster[section]))
  const connections = [...cluster.connections].flatMap(([name, values]) =>
    shownKeys(input, `connections.${name}`, connectionEntries, values),
  )
  return [...sections, ...connections]
}

export const configShow: Command = async (input) => {
  const { settings, terminal, config, aliases } = input
  const sections = shownSections(input)
  const shown = [...shownSettings(input), ...(settings.json ? [] : sections)]
  if (settings.json) {
    const valuesOf = (all: readonly ShownSetting[]): object =>
      Object.fromEntries(all.map(({ name, value, origin }) => [name, settings.origin ? { value, origin } : value]))
    const named = Object.fromEntries([...aliases].map(([name, location]) => [name, redactText(location)]))
    await terminal.result(
      `${JSON.stringify({ config_path: config.path, options: valuesOf(shown), sections: valuesOf(sections), aliases: named })}\n`,
    )
    return 0
  }
  const nameColumns = Math.max(...shown.map(({ name }) => name.length)) + 2
  const valueColumns = Math.max(...shown.map(({ value }) => (value ?? '-').length)) + 2
  const lines = shown.map(({ name, value, origin }) =>
    settings.origin
      ? `${name.padEnd(nameColumns)}${(value ?? '-').padEnd(valueColumns)}${origin}`
      : `${name.padEnd(nameColumns)}${value ?? '-'}`,
  )
  const named = [...aliases].map(([name, location]) => `@${name} = ${redactText(location)}`)
  await terminal.result(`${[...lines, ...named].join('\n')}\n`)
  return 0
}

/** File and environment were read without a complaint; what the sections name is read, and must fit together. */
export const configCheck: Command = async (input) => {
  const { settings, terminal, config, warnings } = input
  await clusterSettingsOf(input)
  if (settings.json) {
    await terminal.result(`${JSON.stringify({ config_path: config.path, is_found: config.isFound, warnings })}\n`)
    return 0
  }
  await terminal.result(
    config.isFound ? `${config.path}: nothing wrong\n` : `${config.path}: there is no such file; defaults are used\n`,
  )
  return 0
}
