// docs/options.md, made from the tables. `npm run generate` writes it, a test compares it.
import { type CommandName, commandNames, commandTable } from './commands.ts'
import {
  connectionEntries,
  type KeyEntry,
  type SectionName,
  sectionEntries,
  sectionNames,
  sectionVariable,
} from './config-sections.ts'
import { exitMeanings } from './exit-codes.ts'
import { defaultText, environmentText, groupTitle, optionLabel, usageLine } from './help.ts'
import { optionGroups } from './option-entry.ts'
import { type OptionName, optionEntry, optionNames } from './options.ts'

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function commandsText(name: OptionName): string {
  const { commands } = optionEntry(name)
  return commands === 'all' ? 'all' : commands.join(', ')
}

function optionRow(name: OptionName): string {
  const entry = optionEntry(name)
  const initial = defaultText(name)
  const help = `${entry.help}${entry.isRepeatable ? '; may be repeated' : ''}`
  const config = entry.isTypedOnly === true || name === 'config' ? '-' : `\`${name}\``
  const variable = environmentText(name)
  const cells = [
    `\`${optionLabel(name)}\``,
    help,
    initial === null ? '' : `\`${initial}\``,
    variable === '-' ? '-' : `\`${variable}\``,
    config,
    commandsText(name),
  ]
  return `| ${cells.map(cell).join(' | ')} |`
}

function commandRow(name: CommandName): string {
  return `| \`${cell(usageLine(name))}\` | ${cell(commandTable[name].summary)} |`
}

const selectionText = `## Which items are moved

\`--include GLOB\`, \`--exclude GLOB\` and the lines of \`--filter-from FILE\` make one list of rules, in the order in which they
stand on the command line. **The first rule that matches a name decides.** What no rule matches is moved, unless there is an
\`--include\`: then it is left out. In a filter file every line is \`+ GLOB\` or \`- GLOB\`; empty lines and lines that begin
with \`#\` or \`;\` are skipped. A filter file has no hidden last rule: end it with \`- **\` to leave out the rest.

Rules are matched with the name of an item relative to the source, \`/\` between its parts. Names of directories end with \`/\`.

| in a glob | matches |
|---|---|
| \`*\` | any characters but \`/\`, also none |
| \`**\` | any characters, also \`/\`; \`**/\` at the start of a part also matches nothing, so \`a/**/b\` matches \`a/b\` |
| \`?\` | one character but \`/\` |
| \`[abc]\`, \`[a-z]\`, \`[!a-z]\` | one character of the class, or not of it; never \`/\` |
| \`{jpg,png}\` | either of the words; words may hold globs |
| \`\\*\` | the character \`*\` itself; the same for \`? [ ] { } , \\ # ;\` |
| \`\\xHH\` | the byte with this number, for names that are not UTF-8 |
| leading \`/\` | the name from the source's root on; without it a glob matches at the end of a name, from the start of any part: \`b.txt\` and \`a/b.txt\` match \`dir/a/b.txt\` |
| trailing \`/\` | a directory and everything in it: \`cache/\`, \`/tmp/\` |

A glob without a trailing \`/\` or \`**\` never matches a directory, so \`--exclude cache\` leaves out files named \`cache\` and not a
folder; write \`cache/\`. Upper and lower case differ. Names are compared as bytes: \`é\` written in one way does not match \`é\`
written in the other. A character is a code point of UTF-8; a byte that is not UTF-8 counts as one character.

A directory in which nothing can be kept is not entered. A directory that is left out itself, but holds something that is
kept, is listed with it: its mode and times are kept too. One that cannot be read is told whatever the rules say of its name.

\`--files-from FILE\` names the items to be moved, one a line, relative to the source (with \`-0\`, each name ends with a zero
byte). A name that ends with \`/\` stands for a directory and everything in it. The list and the rules must both agree.
A name that the source lacks is a failed item (NAME_NOT_FOUND, exit code 4).
\`--min-size\`, \`--max-size\` and \`--modified-after\` speak of regular files only.
`

const quantityText = `## Sizes, rates and times

Sizes: \`B\`, \`KiB\` \`MiB\` \`GiB\` \`TiB\` \`PiB\` of 1,024, \`KB\` \`MB\` \`GB\` \`TB\` \`PB\` of 1,000; \`1.5GiB\`, \`64MiB\`. A number without a
unit, \`64M\` (which of the two?) and \`64Mb\` (bits?) are refused. Rates are a size over \`s\`, \`min\`, \`h\` or \`d\`: \`400GB/h\`, or
\`unlimited\`; they are limits and rounded down. Percentages: \`10%\`. Times: \`2026-11-24\`, \`2026-11-24T08:30:00+01:00\`; without
a zone they are UTC.
`

function keyRow(section: SectionName | null, key: string, entry: KeyEntry<unknown>): string {
  const initial = entry.initial === null || entry.type.placeholder === '' ? [] : entry.show(entry.initial)
  const words = entry.type.words.length > 0 && entry.type.placeholder !== '' ? ` (${entry.type.words.join(', ')})` : ''
  const cells = [
    `\`${key}\``,
    `${entry.help}${words}`,
    initial.length === 0 ? '' : `\`${initial.join(', ')}\``,
    ...(section === null ? [] : [`\`${sectionVariable(section, key)}\``]),
  ]
  return `| ${cells.map(cell).join(' | ')} |`
}

function sectionTables(): readonly string[] {
  const sections = sectionNames.flatMap((section) => [
    `### [${section}]`,
    '',
    '| key | what it does | default | environment |',
    '|---|---|---|---|',
    ...[...sectionEntries(section)].map(([key, entry]) => keyRow(section, key, entry)),
    '',
  ])
  const connections = [...connectionEntries].map(([key, entry]) => keyRow(null, key, entry))
  return [
    ...sections,
    '### [connections.NAME]',
    '',
    '| key | what it does | default |',
    '|---|---|---|',
    ...connections,
    '',
  ]
}

const configText = `## Configuration file

\`$XDG_CONFIG_HOME/waybill/config.toml\` (\`~/.config/waybill/config.toml\`), or the file of \`--config\`. A \`waybill.toml\` in the
working folder is used only when \`--config\` names it, since it may come from strangers. \`waybill config show --origin\` tells
where each value comes from, \`waybill config check\` reads the file and says what is wrong.

\`\`\`toml
memory = "512MiB"
throughput = "400GB/h"

[aliases]
archive = "s3://archive/2026?endpoint=https://s3.example.com"
\`\`\`

\`@archive\` is then a location, and \`@archive/photos\` a folder in it. Credentials do not belong in this file; they come from
where every S3 program looks for them (environment, \`~/.aws\`, the machine's role).

## A cluster

Processes that serve, and commands about their jobs, are configured by sections of the same file. Paths in it are relative
to its folder. \`jobs list\`, \`jobs show\`, \`report show\`, \`explain\`, \`rebuild\` and \`doctor\` speak of the cluster when the file is
named (\`--config\` or \`WAYBILL_CONFIG\`) and names brokers, or \`WAYBILL_KAFKA_BROKERS\` is set; else of this machine. Lists are
written with commas in the environment. See [operating](operating.md).

\`\`\`toml
[kafka]
brokers = ["kafka-1:9093", "kafka-2:9093", "kafka-3:9093"]
tls = { ca_file = "kafka-ca.pem" }
sasl_mechanism = "scram-sha-512"
sasl_username = "waybill"
sasl_password_file = "kafka-password"

[registry]
url = "https://registry.example.com/apis/ccompat/v7"

[serve]
roles = ["worker"]
state_dir = "/var/lib/waybill"

[connections.archive]
location = "/mnt/archive"

[connections.bucket]
location = "s3://archive/2026"
endpoint = "https://s3.example.com"
\`\`\`

A job of the cluster then moves \`@archive/photos\` to \`@bucket/photos\`: requests name connections, never endpoints or paths of
their own.
`

/** The whole page. */
export function optionsPage(): string {
  const tables = optionGroups.flatMap((group) => [
    `### ${groupTitle(group)}`,
    '',
    '| option | what it does | default | environment | config file | commands |',
    '|---|---|---|---|---|---|',
    ...optionNames.filter((name) => optionEntry(name).group === group).map(optionRow),
    '',
  ])
  const codes = exitMeanings.map(({ code, meaning }) => `| ${code} | ${meaning} |`)
  return [
    '# Commands and options',
    '',
    '<!-- Made by `npm run generate` from services/cli/commands.ts and options.ts; a test fails when they differ. -->',
    '',
    '## Commands',
    '',
    '| command | what it does |',
    '|---|---|',
    ...commandNames.map(commandRow),
    '',
    'Locations: `./folder`, `/folder`, `file:///folder`, `s3://bucket/prefix`, `@alias` from the configuration file. An S3 location',
    'may carry `?endpoint=URL&region=REGION&path-style=true&profile=NAME`; the options of the same name beat it.',
    '',
    '## Options',
    '',
    'Flags beat the environment, which beats the configuration file, which beats the defaults. An option is given once, unless',
    'it says that it may be repeated. `--` ends the options.',
    '',
    ...tables,
    selectionText,
    quantityText,
    configText,
    ...sectionTables(),
    '## Exit codes',
    '',
    '| code | meaning |',
    '|---|---|',
    ...codes,
    '',
    'When several apply: 5, 4, 7, 6, 8.',
    '',
  ].join('\n')
}
