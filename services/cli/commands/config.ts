import { redactText } from '#libs/runtime/redaction'
import type { Command, CommandInput } from '../command.ts'
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

export const configShow: Command = async (input) => {
  const { settings, terminal, config, aliases } = input
  const shown = shownSettings(input)
  if (settings.json) {
    const values = Object.fromEntries(
      shown.map(({ name, value, origin }) => [name, settings.origin ? { value, origin } : value]),
    )
    const named = Object.fromEntries([...aliases].map(([name, location]) => [name, redactText(location)]))
    await terminal.result(`${JSON.stringify({ config_path: config.path, options: values, aliases: named })}\n`)
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

/** Reaching this point means that file and environment were read without a complaint. */
export const configCheck: Command = async ({ settings, terminal, config, warnings }) => {
  if (settings.json) {
    await terminal.result(`${JSON.stringify({ config_path: config.path, is_found: config.isFound, warnings })}\n`)
    return 0
  }
  await terminal.result(
    config.isFound ? `${config.path}: nothing wrong\n` : `${config.path}: there is no such file; defaults are used\n`,
  )
  return 0
}
