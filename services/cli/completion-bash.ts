import { commandGroups, commandNames } from './commands.ts'
import {
  argumentCompletion,
  commandOptions,
  firstWords,
  optionWords,
  secondWords,
  valueOptions,
} from './completion-words.ts'
import { type OptionName, optionEntry } from './options.ts'

const words = (list: readonly string[]): string => `_waybill_offer '${list.join(' ')}'`

function valueCase(name: OptionName): string {
  const { type } = optionEntry(name)
  const pattern = optionWords(name).join('|')
  switch (type.completion) {
    case 'files':
      return `    ${pattern}) _waybill_files -f; return ;;`
    case 'folders':
      return `    ${pattern}) _waybill_files -d; return ;;`
    case 'words':
      return `    ${pattern}) ${words(type.words)}; return ;;`
    case 'nothing':
      return `    ${pattern}) return ;;`
  }
}

function argumentCase(command: string, completion: ReturnType<typeof argumentCompletion>): string {
  if (completion === 'files') return `    '${command}') _waybill_files -f ;;`
  return completion === 'nothing' ? `    '${command}') ;;` : `    '${command}') ${words(completion)} ;;`
}

/** For bash 4 and newer; needs nothing beside it. */
export function bashCompletion(): string {
  const valueOptionPattern = valueOptions.flatMap(optionWords).join('|')
  return `# Completion of waybill for bash, made by: waybill completion bash

_waybill_offer() {
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_waybill_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}

_waybill() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} first= command= skip= word i
  [[ $cur == = ]] && cur=
  [[ $prev == = && $COMP_CWORD -gt 1 ]] && prev=\${COMP_WORDS[COMP_CWORD-2]}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == = ]]; then skip=yes; continue; fi
    if [[ $skip ]]; then skip=; continue; fi
    case $word in
      ${valueOptionPattern}) skip=yes ;;
      -*) ;;
      *)
        if [[ -z $first ]]; then first=$word command=$word
        elif [[ $command == "$first" ]]; then
          case $first in ${commandGroups.join('|')}) command="$first $word" ;; esac
        fi ;;
    esac
  done
  case $prev in
${valueOptions.map(valueCase).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $command in
${commandNames.map((name) => `    '${name}') ${words(commandOptions(name).flatMap((option) => optionWords(option.name)))} ;;`).join('\n')}
    *) ${words(['--help', '--version'])} ;;
    esac
    return
  fi
  case $command in
    '') ${words(firstWords().map(({ word }) => word))} ;;
${commandGroups.map((group) => `    ${group}) ${words(secondWords(group).map(({ word }) => word))} ;;`).join('\n')}
${commandNames.map((name) => argumentCase(name, argumentCompletion(name))).join('\n')}
  esac
}

complete -F _waybill waybill
`
}
