import { WaybillError } from '#libs/domain/errors'
import type { Command } from '../command.ts'
import { commandGroups, commandNames, isCommandName } from '../commands.ts'
import { commandHelp, generalHelp, groupHelp } from '../help.ts'
import { nearest } from '../spelling.ts'

export const help: Command = async ({ words, terminal }) => {
  const name = words.join(' ')
  const columns = terminal.resultColumns()
  if (name === '') await terminal.result(generalHelp(columns))
  else if (isCommandName(name)) await terminal.result(commandHelp(name, columns))
  else if (commandGroups.includes(name)) await terminal.result(groupHelp(name, columns))
  else {
    const best = nearest(name, commandNames)
    const hint = best === null ? '' : `; did you mean ${best}?`
    throw new WaybillError('USAGE', { problem: `there is no command ${name}${hint}` })
  }
  return 0
}
