import { type CommandName, commandGroups, commandNames } from './commands.ts'
import {
  argumentCompletion,
  commandOptions,
  firstWords,
  optionWords,
  secondWords,
  valueOptions,
} from './completion-words.ts'
import { type OptionName, optionEntry } from './options.ts'

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function valuePart(name: OptionName): string {
  const { type } = optionEntry(name)
  if (type.placeholder === '') return ''
  switch (type.completion) {
    case 'files':
      return ' -r -F'
    case 'folders':
      return " -x -a '(__fish_complete_directories)'"
    case 'words':
      return ` -x -a ${quoted(type.words.join(' '))}`
    case 'nothing':
      return ' -x'
  }
}

function optionLine(command: CommandName, name: OptionName, help: string): string {
  const { short } = optionEntry(name)
  const letter = short === undefined ? '' : ` -s ${short}`
  return `complete -c waybill -n '__waybill_is ${command}' -l ${name}${letter}${valuePart(name)} -d ${quoted(help)}`
}

function argumentLines(command: CommandName): readonly string[] {
  const completion = argumentCompletion(command)
  if (completion === 'nothing') return []
  if (completion === 'files') return [`complete -c waybill -n '__waybill_is ${command}' -F`]
  return [`complete -c waybill -n '__waybill_is ${command}' -a ${quoted(completion.join(' '))}`]
}

/** For fish 3. */
export function fishCompletion(): string {
  const lines = [
    ...firstWords().map(({ word, help }) => `complete -c waybill -n '__waybill_is' -a ${word} -d ${quoted(help)}`),
    ...commandGroups.flatMap((group) =>
      secondWords(group).map(
        ({ word, help }) => `complete -c waybill -n '__waybill_is ${group}' -a ${word} -d ${quoted(help)}`,
      ),
    ),
    ...commandNames.flatMap((command) => [
      ...argumentLines(command),
      ...commandOptions(command).map(({ name, help }) => optionLine(command, name, help)),
    ]),
  ]
  return `# Completion of waybill for fish, made by: waybill completion fish

function __waybill_command
    set -l found
    set -l skip
    for word in (commandline -opc)[2..]
        if set -q skip[1]
            set -e skip
            continue
        end
        switch $word
            case ${valueOptions.flatMap(optionWords).join(' ')}
                set skip yes
            case '-*'
            case '*'
                if not set -q found[1]
                    set found $word
                else if not set -q found[2]; and contains -- $found[1] ${commandGroups.join(' ')}
                    set -a found $word
                end
        end
    end
    echo "$found"
end

function __waybill_is
    test (__waybill_command) = "$argv"
end

complete -c waybill -f
${lines.join('\n')}
`
}
