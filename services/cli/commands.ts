// What can be typed after `waybill`. Commands of features that do not exist yet have an answer, but no place in the help.

export interface CommandArgument {
  readonly name: string
  readonly help: string
  readonly count: 'one' | 'optional' | 'any'
  readonly completion: 'locations' | 'files' | 'jobs' | 'nothing' | readonly string[]
}

export interface CommandEntry {
  readonly summary: string
  /** Paragraphs of the command's own help. */
  readonly details: readonly string[]
  readonly arguments: readonly CommandArgument[]
  readonly examples: readonly string[]
}

const source: CommandArgument = {
  name: 'SOURCE',
  help: 'where bytes come from: a folder',
  count: 'one',
  completion: 'locations',
}
const target: CommandArgument = {
  name: 'TARGET',
  help: 'where bytes go to: a folder or s3://bucket/prefix',
  count: 'one',
  completion: 'locations',
}
const job: CommandArgument = { name: 'JOB', help: 'name of a job', count: 'one', completion: 'jobs' }

export const commandTable = {
  migrate: {
    summary: 'copy SOURCE to TARGET, read everything back, report',
    details: [
      'Lists the source, copies what is not there yet, reads every stored byte back and compares it with what was read at the source, and writes a report.',
      'The same command again goes on where the last run stopped. When the job is complete it makes a new pass: only what is new or changed is moved, and nothing is ever deleted at the target.',
    ],
    arguments: [source, target],
    examples: [
      'waybill migrate ./photos /mnt/backup/photos',
      'waybill migrate /data s3://archive/2026 --throughput 400GB/h',
      "waybill migrate /data s3://archive/2026 --exclude '/tmp/' --exclude '*.swp'",
    ],
  },
  plan: {
    summary: 'say what migrate would do, and move nothing',
    details: [
      'Lists the source and tries the target with about 20 requests that leave nothing behind. Tells counts, bytes, problems, requests, memory and the size of the state. Keeps no state.',
    ],
    arguments: [source, target],
    examples: ['waybill plan /data s3://archive/2026'],
  },
  verify: {
    summary: 'read the target again and compare it with the log',
    details: [
      'Every stored byte of the job is read again and compared with the digests in the log. Nothing is repaired: run migrate for that.',
    ],
    arguments: [
      {
        ...job,
        name: 'JOB | SOURCE TARGET',
        help: 'a job, by its name or by its two locations',
        count: 'any',
        completion: 'jobs',
      },
    ],
    examples: ['waybill verify archive-2026', 'waybill verify /data s3://archive/2026'],
  },
  'report show': {
    summary: 'write the report of a job',
    details: [
      'The report is made from the log. ndjson is the master form; json carries the same lines and can be checked too.',
    ],
    arguments: [job],
    examples: ['waybill report show archive-2026 --format html --output report.html'],
  },
  'report verify': {
    summary: 'check a report offline: signature, Merkle root, totals',
    details: ['Needs the file alone: no state, no network. Takes ndjson and json.'],
    arguments: [{ name: 'FILE', help: 'a report as ndjson or json', count: 'one', completion: 'files' }],
    examples: ['waybill report verify report.ndjson --public-key archive.pub'],
  },
  explain: {
    summary: 'tell the whole history of one item, from the log',
    details: [],
    arguments: [
      job,
      { name: 'PATH', help: 'name of the item, relative to the source', count: 'one', completion: 'nothing' },
    ],
    examples: ['waybill explain archive-2026 2026/january/0001.tif'],
  },
  'jobs list': {
    summary: 'list the jobs of the state folder, of the cluster, or of a process that serves (--api)',
    details: [],
    arguments: [],
    examples: ['waybill jobs list --json'],
  },
  'jobs show': {
    summary: 'show one job: state, totals, what is left, what limits it',
    details: [],
    arguments: [job],
    examples: ['waybill jobs show archive-2026', 'waybill jobs show archive-2026 --api http://localhost:8480'],
  },
  'jobs submit': {
    summary: 'ask the cluster to move SOURCE to TARGET',
    details: [
      'Appends the request to the event log of the cluster and prints the job. The locations name connections of the configuration of the processes that serve: @NAME/folder.',
      'Needs [kafka] in the configuration, or --api: then the process that serves is asked, and a name that is taken is refused. In a cluster the same request again goes on with the job, or asks for a new pass when it is complete.',
    ],
    arguments: [
      { name: 'SOURCE', help: 'where bytes come from: @CONNECTION/folder', count: 'one', completion: 'nothing' },
      { name: 'TARGET', help: 'where bytes go to: @CONNECTION/folder', count: 'one', completion: 'nothing' },
    ],
    examples: [
      'waybill jobs submit @archive/2026 @bucket/2026 --config waybill.toml',
      'waybill jobs submit @archive/2026 @bucket/2026 --api http://localhost:8480',
    ],
  },
  'jobs wait': {
    summary: 'wait until a job is complete, and tell what came of it',
    details: [
      'Ends with the exit code that migrate would have. A job that pauses ends the waiting with 8, and so does --timeout.',
      'Asks the cluster of --config, the process of --api, or the one that works on the job on this machine; of a job at rest it tells what is.',
    ],
    arguments: [job],
    examples: ['waybill jobs wait 2026-to-2026-1a2b3c4d --config waybill.toml --timeout 12h'],
  },
  'jobs pause': {
    summary: 'stop reading the source of a job; what is verified stays so',
    details: [
      "Goes to the process that works on the job (its socket lies in the job's folder), with --api to a process that serves, with [kafka] into the event log of the cluster. A job at rest is paused for its next run.",
    ],
    arguments: [job],
    examples: ['waybill jobs pause archive-2026 --reason backup'],
  },
  'jobs resume': { summary: 'go on with a job that is paused', details: [], arguments: [job], examples: [] },
  'jobs cancel': {
    summary: 'give up the pass of a job: open uploads are aborted, nothing else is touched',
    details: ['A job at rest is given up by its next run.'],
    arguments: [job],
    examples: ['waybill jobs cancel archive-2026 --reason mistake'],
  },
  'jobs retry': {
    summary: 'ask for a further pass of a job that ended: what failed, is new or changed',
    details: [],
    arguments: [job],
    examples: ['waybill jobs retry archive-2026'],
  },
  'jobs throttle': {
    summary: 'change limits and priority of a job while it runs',
    details: [
      "RATE is a rate, unlimited, or a timetable in quotes: '400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin'. What is not named stays as it is.",
    ],
    arguments: [
      job,
      { name: 'RATE', help: 'hard limit on reading the source', count: 'optional', completion: 'nothing' },
    ],
    examples: [
      'waybill jobs throttle archive-2026 100GB/h',
      'waybill jobs throttle archive-2026 --priority high --api http://localhost:8480',
    ],
  },
  'jobs events': {
    summary: 'print the history of a job from its log, one event a line',
    details: [],
    arguments: [job],
    examples: [
      'waybill jobs events archive-2026 --follow',
      'waybill jobs events archive-2026 --types JobPaused,JobResumed',
    ],
  },
  'jobs forget': {
    summary: 'remove the state of a finished job from this machine',
    details: ['The log, the store and the reports of the job go. What was moved stays where it is.'],
    arguments: [job],
    examples: ['waybill jobs forget archive-2026 --yes'],
  },
  'tokens create': {
    summary: 'make a token for the API of the processes that serve from this state folder',
    details: [
      'The token is printed once; its digest is kept. NAME is the actor of the events that it makes; without it your own name.',
    ],
    arguments: [{ name: 'NAME', help: 'who uses the token', count: 'optional', completion: 'nothing' }],
    examples: ['waybill tokens create dashboard --scope read,report --expires 30d'],
  },
  'tokens list': { summary: 'list the tokens of the API', details: [], arguments: [], examples: [] },
  'tokens revoke': {
    summary: 'make a token invalid at once',
    details: [],
    arguments: [{ name: 'ID', help: 'id of the token, as tokens list shows it', count: 'one', completion: 'nothing' }],
    examples: ['waybill tokens revoke 1f0c2a9b7d3e'],
  },
  serve: {
    summary: 'work for a cluster: one or more roles over the event log, until it is stopped',
    details: [
      'The first SIGTERM or SIGINT stops cleanly: the share of the work is given back at once, and the exit code is 0. The second one ends the process where it is, which is safe, too.',
      'Without [kafka] in the configuration the log lies below the state folder, for this one process: give it all roles.',
    ],
    arguments: [],
    examples: ['waybill serve --roles coordinator,verifier --config waybill.toml'],
  },
  'topics create': {
    summary: 'make the topics of the event log that are missing',
    details: ['What is there already is not changed, but looked at, as topics check does.'],
    arguments: [],
    examples: ['waybill topics create --chunk-partitions 400 --config waybill.toml'],
  },
  'topics check': {
    summary: 'look whether the topics of the event log are as they must be',
    details: [
      'Topics that delete records, have other numbers of partitions or could lose what was acknowledged are refused (exit code 3), unless --allow-unsafe-topics is given.',
    ],
    arguments: [],
    examples: ['waybill topics check --config waybill.toml'],
  },
  rebuild: {
    summary: 'fold the log again into a fresh store and compare it with the live one',
    details: [
      'Without JOB: every job of the state folder.',
      'With --config that names brokers: all topics are folded into a store of its own, which is removed afterwards, and the state digest and the verdict of each job are printed; --until tells how it was at a time.',
    ],
    arguments: [{ ...job, count: 'optional' }],
    examples: ['waybill rebuild archive-2026', 'waybill rebuild --config waybill.toml --until 2026-11-24T08:30:00Z'],
  },
  'log export': {
    summary: 'copy one job of a cluster into a folder, for every command that looks at a job',
    details: [
      'The copy is a state folder: report show, explain, jobs show and rebuild read it with --state-dir FOLDER. Its records keep their places in the log. No command works on it.',
    ],
    arguments: [{ name: 'FOLDER', help: 'where the folder of the job goes', count: 'one', completion: 'files' }],
    examples: ['waybill log export --job archive-2026 ./audit --config waybill.toml'],
  },
  doctor: {
    summary: 'check state folder, disk, clock, credentials, reachability and rights',
    details: [
      'With locations: each is opened; a target is tried with about 20 requests that leave nothing behind.',
      'With --config that names brokers: brokers, topics, registry and connections of the cluster too, and the disk that each process takes here.',
    ],
    arguments: [{ name: 'LOCATION', help: 'a source or a target', count: 'any', completion: 'locations' }],
    examples: ['waybill doctor', 'waybill doctor /data s3://archive/2026'],
  },
  'config show': {
    summary: 'show every option with the value it has now',
    details: [],
    arguments: [],
    examples: ['waybill config show --origin'],
  },
  'config check': {
    summary: 'check the configuration file and the environment',
    details: [],
    arguments: [],
    examples: ['waybill config check --config ./waybill.toml'],
  },
  keygen: {
    summary: 'make a pair of keys to sign reports with',
    details: [
      'Writes FILE (the private key, readable by you alone) and FILE.pub (to be given to those who check). Replaces nothing.',
    ],
    arguments: [{ name: 'FILE', help: 'where the private key goes', count: 'one', completion: 'files' }],
    examples: ['waybill keygen archive.key'],
  },
  completion: {
    summary: 'print a completion script for bash, zsh or fish',
    details: [
      'bash: waybill completion bash > ~/.local/share/bash-completion/completions/waybill',
      'zsh:  waybill completion zsh > a folder of $fpath, as _waybill',
      'fish: waybill completion fish > ~/.config/fish/completions/waybill.fish',
    ],
    arguments: [{ name: 'SHELL', help: 'bash, zsh or fish', count: 'one', completion: ['bash', 'zsh', 'fish'] }],
    examples: ['waybill completion bash'],
  },
  version: {
    summary: 'print the version of waybill and of what it runs on',
    details: [],
    arguments: [],
    examples: ['waybill version --json'],
  },
  help: {
    summary: 'show this, or the help of a command',
    details: [],
    arguments: [{ name: 'COMMAND', help: 'name of a command', count: 'any', completion: 'nothing' }],
    examples: ['waybill help migrate'],
  },
} as const satisfies Readonly<Record<string, CommandEntry>>

export type CommandName = keyof typeof commandTable

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commandTable, name)
}

export const commandNames: readonly CommandName[] = Object.keys(commandTable).filter(isCommandName)

/** Answered with "not supported yet" and exit code 2. */
export const laterCommands: readonly string[] = ['state', 'log']

/** First words of commands of two words. */
export const commandGroups: readonly string[] = ['report', 'jobs', 'topics', 'config', 'tokens']
