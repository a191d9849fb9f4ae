// From the words on the command line to a command and the options that were typed. Nothing is guessed: what is not
// understood is one sentence and exit code 2.
import { parseArgs } from 'node:util'
import {
  type CommandArgument,
  type CommandName,
  commandGroups,
  commandNames,
  commandTable,
  isCommandName,
  laterCommands,
} from './commands.ts'
import { isOptionName, laterOptions, type OptionName, optionEntry, optionNames, optionsOf } from './options.ts'
import { nearest } from './spelling.ts'

export interface TypedOption {
  readonly name: OptionName
  /** Text of the value; `true` for a flag. */
  readonly text: string
}

export interface CommandLine {
  readonly command: CommandName
  readonly words: readonly string[]
  /** In the order they were typed: for filters the order is the meaning. */
  readonly options: readonly TypedOption[]
}

/** Not understood, or not there yet. */
export interface UsageProblem {
  readonly code: 'USAGE' | 'NOT_SUPPORTED'
  readonly problem: string
}

export type ParsedLine = { readonly ok: true; readonly line: CommandLine } | ({ readonly ok: false } & UsageProblem)

function usage(problem: string): { readonly ok: false } & UsageProblem {
  return { ok: false, code: 'USAGE', problem }
}

function later(what: string): { readonly ok: false } & UsageProblem {
  return { ok: false, code: 'NOT_SUPPORTED', problem: `${what} is not supported yet` }
}

function didYouMean(typed: string, known: readonly string[]): string {
  const best = nearest(typed, known)
  return best === null ? '' : `; did you mean ${best}?`
}

const argumentsMax = 10_000

const parserOptions = Object.fromEntries(
  optionNames.map((name) => {
    const { type, short } = optionEntry(name)
    const kind: 'boolean' | 'string' = type.placeholder === '' ? 'boolean' : 'string'
    return [name, { type: kind, multiple: true, ...(short === undefined ? {} : { short }) }]
  }),
)

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

function readOption(
  token: OptionToken,
): { readonly ok: true; readonly option: TypedOption } | ({ readonly ok: false } & UsageProblem) {
  const { name, rawName, value } = token
  if (laterOptions.includes(name)) return later(rawName)
  if (!isOptionName(name)) {
    if (name.startsWith('no-') && isOptionName(name.slice(3))) return usage(`unknown option ${rawName}`)
    return usage(
      `unknown option ${rawName}${didYouMean(
        rawName,
        optionNames.map((each) => `--${each}`),
      )}`,
    )
  }
  const { placeholder } = optionEntry(name).type
  if (placeholder === '') {
    return value === undefined ? { ok: true, option: { name, text: 'true' } } : usage(`${rawName} takes no value`)
  }
  if (value === undefined) return usage(`${rawName} needs a value: ${rawName} ${placeholder}`)
  if (token.inlineValue !== true && value.startsWith('-') && value !== '-') {
    return usage(`${rawName} needs a value, but ${value} follows (${rawName}=${value} if that is the value)`)
  }
  return { ok: true, option: { name, text: value } }
}

/** The command at the front of the words, and the words that are left for it. */
function findCommand(
  words: readonly string[],
):
  | { readonly ok: true; readonly command: CommandName; readonly words: readonly string[] }
  | ({ readonly ok: false } & UsageProblem) {
  const [first = '', second = ''] = words
  const pair = `${first} ${second}`
  if (isCommandName(pair)) return { ok: true, command: pair, words: words.slice(2) }
  if (isCommandName(first)) return { ok: true, command: first, words: words.slice(1) }
  if (laterCommands.includes(first)) return later(`waybill ${first}`)
  if (laterCommands.includes(pair)) return later(`waybill ${pair}`)
  if (commandGroups.includes(first)) {
    const group = commandNames.filter((name) => name.startsWith(`${first} `))
    const choices = group.map((name) => `waybill ${name}`).join(', ')
    if (second === '') return usage(`waybill ${first} needs one more word: ${choices}`)
    return usage(`unknown command waybill ${pair}${didYouMean(pair, group) || `; there is ${choices}`}`)
  }
  return usage(`unknown command ${first}${didYouMean(first, [...commandNames, ...commandGroups])}`)
}

function wordsProblem(command: CommandName, words: readonly string[]): string | null {
  const places: readonly CommandArgument[] = commandTable[command].arguments
  const needed = places.filter((place) => place.count === 'one')
  const missing = needed[words.length]
  if (missing !== undefined) return `waybill ${command} needs ${missing.name}: ${missing.help}`
  if (words.includes('')) return `waybill ${command} was given an empty word; is a variable of the shell not set?`
  const isOpen = places.some((place) => place.count === 'any')
  const extra = isOpen ? undefined : words[places.length]
  return extra === undefined ? null : `waybill ${command} takes no further word, but found ${extra}`
}

function optionsProblem(command: CommandName, options: readonly TypedOption[]): string | null {
  const known = optionsOf(command)
  const seen = new Set<OptionName>()
  for (const { name } of options) {
    if (!known.includes(name)) return `waybill ${command} has no option --${name}`
    if (seen.has(name) && !optionEntry(name).isRepeatable) return `--${name} is given twice`
    seen.add(name)
  }
  return null
}

/** Reads the words after `waybill`. With `--help` or `--version` the command becomes help or version. */
export function parseCommandLine(argv: readonly string[]): ParsedLine {
  if (argv.length > argumentsMax) return usage(`more than ${argumentsMax} words on the command line; use --files-from`)
  const { tokens } = parseArgs({
    args: [...argv],
    options: parserOptions,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const words: string[] = []
  const options: TypedOption[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const result = readOption(token)
    if (!result.ok) return result
    options.push(result.option)
  }
  return toCommandLine(words, options)
}

function toCommandLine(words: readonly string[], options: readonly TypedOption[]): ParsedLine {
  const isAsked = (name: OptionName): boolean => options.some((option) => option.name === name)
  if (isAsked('version')) {
    return { ok: true, line: { command: 'version', words: [], options: options.filter(({ name }) => name === 'json') } }
  }
  const [first] = words
  if (first === undefined) {
    if (options.length > 0 && !isAsked('help')) return usage('no command is given; waybill --help shows what there is')
    return { ok: true, line: { command: 'help', words: [], options: [] } }
  }
  if (isAsked('help') && words.length === 1 && commandGroups.includes(first)) {
    return { ok: true, line: { command: 'help', words, options: [] } }
  }
  const found = findCommand(words)
  if (!found.ok) return found
  const { command } = found
  if (isAsked('help')) return { ok: true, line: { command: 'help', words: command.split(' '), options: [] } }
  const problem = optionsProblem(command, options) ?? wordsProblem(command, found.words)
  if (problem !== null) return usage(problem)
  // A dry run is the other command, so that nothing of migrate can run by mistake.
  const meant = command === 'migrate' && isAsked('dry-run') ? 'plan' : command
  return { ok: true, line: { command: meant, words: found.words, options } }
}
