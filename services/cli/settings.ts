// What every option is in the end: flags beat the environment beats the configuration file beats defaults.
import { resolve } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import type { Environment } from '#libs/runtime/environment'
import { type ClusterConfig, clusterWarnings, resolveCluster } from './cluster-config.ts'
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { sectionVariables } from './config-sections.ts'
import { environmentName, type OptionName, optionEntry, optionNames, type Settings } from './options.ts'
import type { TypedOption } from './parser.ts'
import { nearest } from './spelling.ts'

export type Origin =
  | { readonly kind: 'flag' }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'config'; readonly path: string }
  | { readonly kind: 'default' }

export interface ResolvedSettings {
  readonly settings: Settings
  readonly origins: ReadonlyMap<OptionName, Origin>
  readonly aliases: ReadonlyMap<string, string>
  /** What the sections of the file and their variables say. */
  readonly cluster: ClusterConfig
  /** Where a configuration file was looked for, whether one was there, and whether it was named. */
  readonly config: { readonly path: string; readonly isFound: boolean; readonly isNamed: boolean }
  readonly warnings: readonly string[]
}

function usage(problem: string): WaybillError {
  return new WaybillError('USAGE', { problem })
}

/** Names that look like a slip of the fingers; other WAYBILL_* variables may belong to something else. */
function misspeltVariables(environment: Environment): readonly string[] {
  const known = [...optionNames.map(environmentName).filter((name) => name !== null), ...sectionVariables]
  return [...environment.waybill.keys()].flatMap((name) => {
    const best = known.includes(name) ? null : nearest(name, known)
    return best === null ? [] : [`the variable ${name} is not used; did you mean ${best}?`]
  })
}

async function findConfig(
  typed: string | undefined,
  environment: Environment,
): Promise<{ file: ConfigFile | null; path: string; isNamed: boolean }> {
  const named = typed ?? environment.waybill.get('WAYBILL_CONFIG')
  const path = resolve(named ?? `${environment.configFolder}/config.toml`)
  const file = await readConfigFile(path)
  if (file === null && named !== undefined)
    throw new WaybillError('CONFIG_INVALID', { path, problem: 'there is no such file' })
  return { file, path, isNamed: named !== undefined }
}

/** Throws USAGE for values that are none, CONFIG_INVALID for the file. */
export async function resolveSettings(
  typed: readonly TypedOption[],
  environment: Environment,
): Promise<ResolvedSettings> {
  const { file, path, isNamed } = await findConfig(typed.find((option) => option.name === 'config')?.text, environment)
  const origins = new Map<OptionName, Origin>()
  const values = new Map<OptionName, unknown>()
  for (const name of optionNames) {
    const { texts, origin } = textsOf(name, typed, environment, file)
    origins.set(name, origin)
    if (texts === null) {
      values.set(name, optionEntry(name).initial)
      continue
    }
    const result = optionEntry(name).read(texts)
    if (!result.ok) throw usage(`${labelOf(name, origin)}: ${result.problem}`)
    values.set(name, result.value)
  }
  const cluster = resolveCluster(file, environment)
  return {
    settings: Object.fromEntries(values) as Settings,
    origins,
    aliases: file?.aliases ?? new Map(),
    cluster,
    config: { path, isFound: file !== null, isNamed },
    warnings: [...misspeltVariables(environment), ...clusterWarnings(cluster, file)],
  }
}

function textsOf(
  name: OptionName,
  typed: readonly TypedOption[],
  environment: Environment,
  file: ConfigFile | null,
): { readonly texts: readonly string[] | null; readonly origin: Origin } {
  const flags = typed.filter((option) => option.name === name).map((option) => option.text)
  if (flags.length > 0) return { texts: flags, origin: { kind: 'flag' } }
  const variable = environmentName(name)
  const fromEnvironment = variable === null ? undefined : environment.waybill.get(variable)
  if (variable !== null && fromEnvironment !== undefined && fromEnvironment !== '') {
    return { texts: [fromEnvironment], origin: { kind: 'environment', variable } }
  }
  const fromFile = file?.options.get(name)
  if (file !== null && fromFile !== undefined) return { texts: fromFile, origin: { kind: 'config', path: file.path } }
  return { texts: null, origin: { kind: 'default' } }
}

function labelOf(name: OptionName, origin: Origin): string {
  return origin.kind === 'environment' ? origin.variable : `--${name}`
}
