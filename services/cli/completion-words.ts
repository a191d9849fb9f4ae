// What all three shells complete, gathered from the tables once.
import { type CommandArgument, type CommandName, commandGroups, commandNames, commandTable } from './commands.ts'
import { type OptionName, optionEntry, optionNames, optionsOf } from './options.ts'

export interface Described {
  readonly word: string
  readonly help: string
}

/** `--memory`, and `-v` where there is a letter. */
export function optionWords(name: OptionName): readonly string[] {
  const { short } = optionEntry(name)
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`]
}

/** Words that can stand right after `waybill`. */
export function firstWords(): readonly Described[] {
  const single = commandNames
    .filter((name) => !name.includes(' '))
    .map((name) => ({ word: name, help: commandTable[name].summary }))
  const groups = commandGroups.map((group) => ({
    word: group,
    help: secondWords(group)
      .map(({ word }) => word)
      .join(', '),
  }))
  return [...single, ...groups]
}

/** Words that can stand after `jobs`, `report`, `config`. */
export function secondWords(group: string): readonly Described[] {
  return commandNames
    .filter((name) => name.startsWith(`${group} `))
    .map((name) => ({ word: name.slice(group.length + 1), help: commandTable[name].summary }))
}

export function commandOptions(command: CommandName): readonly { readonly name: OptionName; readonly help: string }[] {
  return optionsOf(command).map((name) => ({ name, help: optionEntry(name).help }))
}

export const valueOptions: readonly OptionName[] = optionNames.filter(
  (name) => optionEntry(name).type.placeholder !== '',
)

/** What the words after a command can be: files, some fixed words, or nothing that a shell knows. */
export function argumentCompletion(command: CommandName): 'files' | 'nothing' | readonly string[] {
  const places: readonly CommandArgument[] = commandTable[command].arguments
  if (command === 'help') return firstWords().map(({ word }) => word)
  for (const { completion } of places) {
    if (completion === 'locations' || completion === 'files') return 'files'
    if (typeof completion !== 'string') return completion
  }
  return command === 'verify' ? 'files' : 'nothing'
}
