// Help is made from the tables, for any width.
import { type CommandArgument, type CommandName, commandNames, commandTable } from './commands.ts'
import { exitMeanings } from './exit-codes.ts'
import { type OptionGroup, optionGroups } from './option-entry.ts'
import { environmentName, type OptionName, optionEntry, optionsOf } from './options.ts'

const widthMax = 100
const widthMin = 40

/** Lines of at most `width` characters; words are not split. */
function wrapText(text: string, width: number, indent: string): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width - indent.length) {
      lines.push(indent + line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, indent + line]
}

/** Two columns; a left text that is too long gets a line of its own. */
function columns(rows: readonly (readonly [string, string])[], leftWidth: number, width: number): readonly string[] {
  return rows.flatMap(([left, right]) => {
    const indent = ' '.repeat(leftWidth)
    const lines = wrapText(right, width, indent)
    if (left.length > leftWidth - 2) return [left, ...lines]
    return [left.padEnd(leftWidth) + (lines[0] ?? '').slice(leftWidth), ...lines.slice(1)]
  })
}

function argumentText(argument: CommandArgument): string {
  if (argument.count === 'optional') return `[${argument.name}]`
  if (argument.count === 'any') return argument.name.includes('|') ? argument.name : `[${argument.name}...]`
  return argument.name
}

/** `waybill migrate SOURCE TARGET` */
export function usageLine(command: CommandName): string {
  const places: readonly CommandArgument[] = commandTable[command].arguments
  return ['waybill', command, ...places.map(argumentText)].join(' ')
}

/** `-q, --quiet`, `--memory SIZE` */
export function optionLabel(name: OptionName): string {
  const { short, type } = optionEntry(name)
  const letters = short === undefined ? '' : `-${short}, `
  return `${letters}--${name}${type.placeholder === '' ? '' : ` ${type.placeholder}`}`
}

/** The default as text, or null when the option is simply not set. */
export function defaultText(name: OptionName): string | null {
  const entry = optionEntry(name)
  if (entry.type.placeholder === '') return null
  const texts = entry.show(entry.initial)
  return texts.length === 0 ? null : texts.join(', ')
}

function optionHelp(name: OptionName): string {
  const { help, isRepeatable } = optionEntry(name)
  const initial = defaultText(name)
  return `${help}${initial === null ? '' : ` (${initial})`}${isRepeatable ? '; may be repeated' : ''}`
}

const groupTitles: Readonly<Record<OptionGroup, string>> = {
  selection: 'Selection',
  copy: 'Copy',
  S3: 'S3',
  proof: 'Proof',
  limits: 'Limits',
  command: 'Options',
  output: 'Output',
  run: 'Run',
}

export function groupTitle(group: OptionGroup): string {
  return groupTitles[group]
}

function clampWidth(columnsOfTerminal: number | null): number {
  return Math.max(widthMin, Math.min(widthMax, columnsOfTerminal ?? 80))
}

/** Help of one command. */
export function commandHelp(command: CommandName, terminalColumns: number | null): string {
  const width = clampWidth(terminalColumns)
  const entry = commandTable[command]
  const places: readonly CommandArgument[] = entry.arguments
  const lines: string[] = [`${usageLine(command)}${optionsOf(command).length > 0 ? ' [options]' : ''}`, '']
  lines.push(...wrapText(`${entry.summary[0]?.toUpperCase() ?? ''}${entry.summary.slice(1)}.`, width, ''))
  for (const paragraph of entry.details) lines.push('', ...wrapText(paragraph, width, ''))
  if (places.length > 0) {
    const rows = places.map((place): [string, string] => [`  ${argumentText(place)}`, place.help])
    lines.push('', ...columns(rows, 14, width))
  }
  for (const group of optionGroups) {
    const names = optionsOf(command).filter((name) => optionEntry(name).group === group)
    if (names.length === 0) continue
    lines.push('', `${groupTitle(group)}:`)
    lines.push(
      ...columns(
        names.map((name) => [`  ${optionLabel(name)}`, optionHelp(name)]),
        32,
        width,
      ),
    )
  }
  lines.push('', 'Examples:', ...entry.examples.map((example) => `  ${example}`))
  return `${lines.join('\n')}\n`
}

/** What `waybill` and `waybill --help` show. */
export function generalHelp(terminalColumns: number | null): string {
  const width = clampWidth(terminalColumns)
  const rows = commandNames.map((name): [string, string] => [
    `  ${usageLine(name).slice('waybill '.length)}`,
    commandTable[name].summary,
  ])
  const codes = exitMeanings.map(({ code, meaning }): [string, string] => [`  ${code}`, meaning])
  return `${[
    'waybill moves file trees to a folder or to S3, reads every stored byte back, and proves it.',
    '',
    'Usage: waybill COMMAND [options]',
    '',
    'Commands:',
    ...columns(rows, 32, width),
    '',
    'Locations: ./folder, /folder, file:///folder, s3://bucket/prefix, @alias from the configuration file.',
    '',
    'Exit codes:',
    ...columns(codes, 8, width),
    '',
    'waybill help COMMAND shows its options. Most can also be set in the environment (--memory is WAYBILL_MEMORY) or in the configuration file; flags beat the environment, which beats the file.',
  ]
    .flatMap((line) => (line.length > width && !line.startsWith(' ') ? wrapText(line, width, '') : [line]))
    .join('\n')}\n`
}

/** Help of the commands that begin with one word, such as `jobs`. */
export function groupHelp(group: string, terminalColumns: number | null): string {
  const width = clampWidth(terminalColumns)
  const rows = commandNames
    .filter((name) => name.startsWith(`${group} `))
    .map((name): [string, string] => [`  ${usageLine(name)}`, commandTable[name].summary])
  return `${['Commands:', ...columns(rows, 32, width)].join('\n')}\n`
}

/** For the options page: `WAYBILL_MEMORY`, or a dash. */
export function environmentText(name: OptionName): string {
  return environmentName(name) ?? '-'
}
