// The one table of options. Parser, environment names, configuration file, help, completion and docs/options.md all come
// from it, so an option is added here and nowhere else.
import { encryptions } from '#libs/domain/object-options'
import type { CommandName } from './commands.ts'
import { roleNames } from './config-sections.ts'
import { controlling, controlOptions, tokenCommands } from './control-options.ts'
import { limitOptions } from './limit-options.ts'
import { many, moving, type OptionEntry, one, optional } from './option-entry.ts'
import {
  choice,
  concurrency,
  countWithin,
  duration,
  encryptionKey,
  endpoint,
  flag,
  instanceName,
  jobName,
  metadata,
  moment,
  several,
  size,
  sizeWithin,
  storageClass,
  tag,
  text,
  until,
  verifyMode,
} from './value-types.ts'

const mib = 1024 ** 2
const topicCommands = ['topics create', 'topics check'] as const
/** What a job of a cluster cannot be asked for: files and endpoints of the machine on which it is typed. */
const movingHere = ['migrate', 'plan'] as const
const working = ['migrate', 'plan', 'verify', 'doctor'] as const
const stateful = [
  'migrate',
  'plan',
  'verify',
  'report show',
  'explain',
  'jobs list',
  'jobs show',
  'jobs wait',
  'rebuild',
  'doctor',
  'serve',
  'config show',
  'config check',
  'jobs forget',
  ...controlling,
  ...tokenCommands,
] as const

export const optionTable = {
  include: many(text('GLOB'), {
    group: 'selection',
    commands: moving,
    isTypedOnly: true,
    help: 'move what matches; with it, what no rule matches is left out',
  }),
  exclude: many(text('GLOB'), {
    group: 'selection',
    commands: moving,
    isTypedOnly: true,
    help: 'leave out what matches; of all rules the first that matches decides',
  }),
  'filter-from': many(text('FILE', 'files'), {
    group: 'selection',
    commands: moving,
    isTypedOnly: true,
    help: 'rules from a file, one a line: "+ GLOB" or "- GLOB"',
  }),
  'files-from': optional(text('FILE|-', 'files'), {
    group: 'selection',
    commands: movingHere,
    isTypedOnly: true,
    help: 'move only the items named in the file, or on standard input',
  }),
  null: one(flag, false, {
    group: 'selection',
    commands: movingHere,
    short: '0',
    isTypedOnly: true,
    help: 'names in --files-from end with a zero byte, not with a line end',
  }),
  'min-size': optional(size, {
    group: 'selection',
    commands: moving,
    isTypedOnly: true,
    help: 'leave out smaller files',
  }),
  'max-size': optional(size, {
    group: 'selection',
    commands: moving,
    isTypedOnly: true,
    help: 'leave out larger files',
  }),
  'modified-after': optional(moment, {
    group: 'selection',
    commands: moving,
    isTypedOnly: true,
    help: 'leave out files that were not modified after this time',
  }),

  'chunk-size': one(sizeWithin(5 * mib, 64 * mib), 64 * mib, {
    group: 'copy',
    commands: moving,
    help: 'bytes that are leased, sent and proven together, 5MiB to 64MiB',
  }),
  concurrency: one(concurrency, null, { group: 'copy', commands: working, help: 'requests in flight at the target' }),
  memory: one(sizeWithin(64 * mib, 1024 ** 4), 384 * mib, {
    group: 'copy',
    commands: working,
    help: 'bound on payload bytes in flight',
  }),
  layout: one(choice(['objects'], ['chunks']), 'objects', {
    group: 'copy',
    commands: moving,
    help: 'objects: items keep their names at the target',
  }),
  overwrite: one(choice(['never', 'different', 'always']), 'never', {
    group: 'copy',
    commands: moving,
    help: 'whether objects of others at the target may be replaced',
  }),
  symlinks: one(choice(['keep', 'skip']), 'keep', {
    group: 'copy',
    commands: moving,
    help: 'keep links as links, or leave them out; links are never followed',
  }),
  'store-entries': one(flag, false, {
    group: 'copy',
    commands: moving,
    help: 'on S3, store links and empty directories as small objects',
  }),
  'dry-run': one(flag, false, {
    group: 'copy',
    commands: ['migrate'],
    isTypedOnly: true,
    help: 'the same as plan: say what would be done, move nothing',
  }),

  'target-endpoint': optional(endpoint, { group: 'S3', commands: working, help: 'server to use instead of AWS' }),
  'target-region': optional(text('REGION'), { group: 'S3', commands: working, help: 'region of the bucket' }),
  'target-path-style': one(flag, false, {
    group: 'S3',
    commands: working,
    help: 'bucket in the path, not in the host name; always so with an endpoint of your own',
  }),
  'target-profile': optional(text('PROFILE'), {
    group: 'S3',
    commands: working,
    help: 'profile of the AWS configuration',
  }),
  'verify-profile': optional(text('PROFILE'), {
    group: 'S3',
    commands: ['migrate', 'plan', 'verify'],
    help: 'credentials of its own for reading back',
  }),
  'storage-class': optional(storageClass, {
    group: 'S3',
    commands: moving,
    help: 'storage class of the objects, for example STANDARD_IA',
  }),
  sse: optional(choice(encryptions), { group: 'S3', commands: moving, help: 'encryption at rest by the store' }),
  'sse-kms-key-id': optional(encryptionKey, {
    group: 'S3',
    commands: moving,
    help: 'key for --sse aws:kms; without it the key of the account',
  }),
  metadata: many(metadata, { group: 'S3', commands: moving, help: 'metadata to set on every object' }),
  tag: many(tag, { group: 'S3', commands: moving, help: 'tag to set on every object, at most 10' }),
  'ca-file': optional(text('FILE', 'files'), {
    group: 'S3',
    commands: [...working, ...controlling],
    help: 'certificates to trust, as PEM',
  }),

  verify: one(
    verifyMode,
    { mode: 'full', samplePercent: 100 },
    {
      group: 'proof',
      commands: moving,
      help: 'how much is read back from the target',
    },
  ),
  reconcile: one(choice(['listing', 'full', 'none']), 'listing', {
    group: 'proof',
    commands: moving,
    help: 'compare by listing at the end; full reads the whole target once more',
  }),
  report: optional(text('FILE', 'files'), {
    group: 'proof',
    commands: ['migrate', 'verify', 'jobs wait', 'rebuild'],
    help: 'write the report here; format by ending: .ndjson .json .csv .html',
  }),
  sign: optional(text('KEY', 'files'), {
    group: 'proof',
    commands: ['migrate', 'verify', 'report show'],
    help: 'private key that signs the report (waybill keygen)',
  }),

  ...limitOptions,
  ...controlOptions,

  format: one(choice(['json', 'ndjson', 'csv', 'html', 'sha256sums']), 'ndjson', {
    group: 'command',
    commands: ['report show'],
    help: 'form of the report',
  }),
  output: optional(text('FILE', 'files'), {
    group: 'command',
    commands: ['report show'],
    isTypedOnly: true,
    help: 'write here and not to standard output; a folder for sha256sums',
  }),
  whole: one(flag, false, {
    group: 'command',
    commands: ['report show'],
    isTypedOnly: true,
    help: 'for sha256sums: read items of several chunks once more, for a digest of the whole file',
  }),
  'public-key': optional(text('FILE', 'files'), {
    group: 'command',
    commands: ['report verify'],
    help: 'key the report must be signed with',
  }),
  'measure-source': one(flag, false, {
    group: 'command',
    commands: ['doctor'],
    isTypedOnly: true,
    help: 'read from the source at rising speed to measure its peak; asks first',
  }),
  for: one(duration, 10_000, {
    group: 'command',
    commands: ['doctor'],
    isTypedOnly: true,
    help: 'how long --measure-source may take',
  }),
  'max-bytes': one(size, 5 * 1024 ** 3, {
    group: 'command',
    commands: ['doctor'],
    isTypedOnly: true,
    help: 'how much --measure-source may read',
  }),
  origin: one(flag, false, {
    group: 'command',
    commands: ['config show'],
    isTypedOnly: true,
    help: 'say where each value comes from',
  }),

  roles: optional(several(roleNames), {
    group: 'command',
    commands: ['serve'],
    isTypedOnly: true,
    help: 'roles of this process, with commas between them',
  }),
  instance: optional(instanceName, {
    group: 'command',
    commands: ['serve'],
    isTypedOnly: true,
    help: 'name of this process, unique and the same after a restart; without it HOST-ROLES',
  }),
  'chunk-partitions': optional(countWithin(1, 10_000), {
    group: 'command',
    commands: topicCommands,
    isTypedOnly: true,
    help: 'partitions of PREFIX.chunks; about 20 x the workers (256)',
  }),
  'job-partitions': optional(countWithin(1, 4096), {
    group: 'command',
    commands: topicCommands,
    isTypedOnly: true,
    help: 'partitions of PREFIX.jobs, PREFIX.listings and PREFIX.rates each (16)',
  }),
  replicas: optional(countWithin(1, 100), {
    group: 'command',
    commands: topicCommands,
    isTypedOnly: true,
    help: 'brokers that hold each record (3)',
  }),
  'min-insync-replicas': optional(countWithin(1, 100), {
    group: 'command',
    commands: topicCommands,
    isTypedOnly: true,
    help: 'brokers that must have a record before it counts (2)',
  }),
  'allow-unsafe-topics': one(flag, false, {
    group: 'command',
    commands: [...topicCommands, 'serve', 'doctor'],
    isTypedOnly: true,
    help: 'work on topics that lose records, or are not as they should be',
  }),
  timeout: optional(duration, {
    group: 'command',
    commands: ['jobs wait'],
    isTypedOnly: true,
    help: 'give up waiting after this time: 90s, 30min, 12h, 7d',
  }),
  until: optional(until, {
    group: 'command',
    commands: ['rebuild'],
    isTypedOnly: true,
    help: 'fold only what was there at a time, or up to positions such as jobs/0:12,chunks/3:800',
  }),

  json: one(flag, false, { group: 'output', commands: 'all', help: 'print one JSON object on standard output' }),
  progress: one(choice(['auto', 'block', 'line', 'json', 'none']), 'auto', {
    group: 'output',
    commands: ['migrate', 'plan', 'verify', 'rebuild', 'jobs wait'],
    help: 'how progress is shown on standard error',
  }),
  quiet: one(flag, false, { group: 'output', commands: 'all', short: 'q', help: 'print results and errors only' }),
  verbose: one(flag, false, {
    group: 'output',
    commands: 'all',
    short: 'v',
    help: 'log to standard error; errors with their stack',
  }),
  'log-file': optional(text('FILE', 'files'), { group: 'output', commands: 'all', help: 'log there, as JSON lines' }),
  'no-color': one(flag, false, { group: 'output', commands: 'all', help: 'no colours; so does NO_COLOR' }),
  help: one(flag, false, { group: 'output', commands: 'all', short: 'h', isTypedOnly: true, help: 'show help' }),
  version: one(flag, false, { group: 'output', commands: 'all', isTypedOnly: true, help: 'print the version' }),

  job: optional(jobName, {
    group: 'run',
    commands: ['migrate', 'plan', 'verify', 'jobs submit', 'log export'],
    isTypedOnly: true,
    help: 'name of the job; without it the name follows from source and target',
  }),
  'state-dir': optional(text('FOLDER', 'folders'), {
    group: 'run',
    commands: stateful,
    help: 'where jobs keep their state; without it $XDG_STATE_HOME/waybill',
  }),
  config: optional(text('FILE', 'files'), {
    group: 'run',
    commands: 'all',
    help: 'configuration file; without it $XDG_CONFIG_HOME/waybill/config.toml',
  }),
  yes: one(flag, false, {
    group: 'run',
    commands: ['migrate', 'doctor', 'jobs forget'],
    short: 'y',
    isTypedOnly: true,
    help: 'ask nothing, go on',
  }),
} as const

export type OptionName = keyof typeof optionTable
type ValueOf<E> = E extends OptionEntry<infer T> ? T : never
export type Settings = { readonly [N in OptionName]: ValueOf<(typeof optionTable)[N]> }

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(optionTable, name)
}

export const optionNames: readonly OptionName[] = Object.keys(optionTable).filter(isOptionName)

/** The entry with its value type forgotten, for those that treat all options alike. */
export function optionEntry(name: OptionName): OptionEntry<unknown> {
  return optionTable[name]
}

/** Name in the environment, or null for options that are typed only. */
export function environmentName(name: OptionName): string | null {
  if (optionEntry(name).isTypedOnly === true || optionEntry(name).isRepeatable) return null
  return `WAYBILL_${name.toUpperCase().replaceAll('-', '_')}`
}

export function optionsOf(command: CommandName): readonly OptionName[] {
  return optionNames.filter((name) => {
    const { commands } = optionEntry(name)
    return commands === 'all' || commands.includes(command)
  })
}

/** Options of features that do not exist yet: answered, but absent from help. */
export const laterOptions: readonly string[] = ['compress']
