import { commandGroups, commandNames } from './commands.ts'
import {
  argumentCompletion,
  commandOptions,
  type Described,
  firstWords,
  optionWords,
  secondWords,
  valueOptions,
} from './completion-words.ts'
import { type OptionName, optionEntry } from './options.ts'

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Entries of \`_describe\`: a colon parts the word from its description. */
function described(list: readonly Described[]): string {
  const entries = list.map(({ word, help }) => quoted(`${word.replaceAll(':', '\\:')}:${help}`))
  return `offer=(${entries.join(' ')})`
}

function valueCase(name: OptionName): string {
  const { type } = optionEntry(name)
  const pattern = `(${optionWords(name).join('|')})`
  switch (type.completion) {
    case 'files':
      return `    ${pattern} _files; return ;;`
    case 'folders':
      return `    ${pattern} _files -/; return ;;`
    case 'words':
      return `    ${pattern} compadd -- ${type.words.map(quoted).join(' ')}; return ;;`
    case 'nothing':
      return `    ${pattern} _message ${quoted(`${type.placeholder}: ${optionEntry(name).help}`)}; return ;;`
  }
}

function argumentCase(command: string, completion: ReturnType<typeof argumentCompletion>): string {
  if (completion === 'files') return `    (${quoted(command)}) _files ;;`
  return completion === 'nothing'
    ? `    (${quoted(command)}) ;;`
    : `    (${quoted(command)}) compadd -- ${completion.join(' ')} ;;`
}

function optionCase(command: (typeof commandNames)[number]): string {
  const list = commandOptions(command).flatMap(({ name, help }) => optionWords(name).map((word) => ({ word, help })))
  return `    (${quoted(command)}) ${described(list)} ;;`
}

/** For zsh 5; as \`_waybill\` in a folder of $fpath, or sourced after compinit. */
export function zshCompletion(): string {
  const valueOptionPattern = valueOptions.flatMap(optionWords).join('|')
  return `#compdef waybill
# Completion of waybill for zsh, made by: waybill completion zsh

_waybill() {
  local prev=$words[CURRENT-1] first= command= skip= word
  local -a offer
  for word in \${words[2,CURRENT-1]}; do
    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
      (${valueOptionPattern}) skip=yes ;;
      (-*) ;;
      (*)
        if [[ -z $first ]]; then first=$word; command=$word
        elif [[ $command == $first ]]; then
          case $first in (${commandGroups.join('|')}) command="$first $word" ;; esac
        fi ;;
    esac
  done
  if [[ $words[CURRENT] == --*=* ]]; then
    prev=\${words[CURRENT]%%=*}
    compset -P '*='
  fi
  case $prev in
${valueOptions.map(valueCase).join('\n')}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    case $command in
${commandNames.map(optionCase).join('\n')}
    (*) offer=('--help:show help' '--version:print the version') ;;
    esac
    _describe -o option offer
    return
  fi
  case $command in
    ('') ${described(firstWords())}; _describe command offer ;;
${commandGroups.map((group) => `    (${group}) ${described(secondWords(group))}; _describe command offer ;;`).join('\n')}
${commandNames.map((name) => argumentCase(name, argumentCompletion(name))).join('\n')}
  esac
}

if [[ $funcstack[1] == _waybill ]]; then _waybill "$@"; else compdef _waybill waybill; fi
`
}
