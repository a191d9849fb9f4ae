// What the sections of the configuration file are in the end: the environment beats the file beats defaults. Nothing is
// opened and no password is read here.
import { WaybillError } from '#libs/domain/errors'
import type { Environment } from '#libs/runtime/environment'
import type { ConfigFile, KeyTexts } from './config-file.ts'
import {
  type ConnectionValues,
  connectionEntries,
  type KeyEntry,
  type SectionName,
  type SectionValues,
  sectionEntries,
  sectionVariable,
} from './config-sections.ts'
import type { Origin } from './settings.ts'

export interface ClusterConfig {
  readonly kafka: SectionValues<'kafka'>
  readonly registry: SectionValues<'registry'>
  readonly serve: SectionValues<'serve'>
  readonly api: SectionValues<'api'>
  readonly connections: ReadonlyMap<string, ConnectionValues>
  /** By `section.key`; what is not here is the default. */
  readonly origins: ReadonlyMap<string, Origin>
}

interface Said {
  readonly texts: readonly string[]
  readonly origin: Origin
}

function saidOf(
  place: { readonly section: SectionName; readonly key: string; readonly isList: boolean },
  environment: Environment,
  file: ConfigFile | null,
): Said | null {
  const { section, key, isList } = place
  const variable = sectionVariable(section, key)
  const value = environment.waybill.get(variable)
  if (value !== undefined && value !== '') {
    const texts = isList
      ? value
          .split(',')
          .map((word) => word.trim())
          .filter((word) => word !== '')
      : [value]
    return { texts, origin: { kind: 'environment', variable } }
  }
  const texts = file?.sections.get(section)?.get(key)
  return texts === undefined || file === null ? null : { texts, origin: { kind: 'config', path: file.path } }
}

class Resolver {
  readonly #file: ConfigFile | null
  readonly #environment: Environment
  readonly origins = new Map<string, Origin>()

  constructor(file: ConfigFile | null, environment: Environment) {
    this.#file = file
    this.#environment = environment
  }

  section<S extends SectionName>(section: S): SectionValues<S> {
    const values = new Map<string, unknown>()
    for (const [key, entry] of sectionEntries(section)) {
      const said = saidOf({ section, key, isList: entry.isList }, this.#environment, this.#file)
      values.set(key, said === null ? entry.initial : this.#read(`${section}.${key}`, entry, said))
    }
    return Object.fromEntries(values) as SectionValues<S>
  }

  connection(name: string, texts: KeyTexts): ConnectionValues {
    const values = [...connectionEntries].map(([key, entry]) => {
      const said = texts.get(key)
      const origin: Origin = { kind: 'config', path: this.#file?.path ?? '' }
      const place = `connections.${name}.${key}`
      return [key, said === undefined ? entry.initial : this.#read(place, entry, { texts: said, origin })]
    })
    return Object.fromEntries(values) as ConnectionValues
  }

  /** Texts of the file were checked when it was read. */
  #read(place: string, entry: KeyEntry<unknown>, { texts, origin }: Said): unknown {
    const result = entry.read(texts)
    this.origins.set(place, origin)
    if (result.ok) return result.value
    const told = entry.isSecret === true ? 'it is not valid' : result.problem
    throw new WaybillError('USAGE', { problem: `${origin.kind === 'environment' ? origin.variable : place}: ${told}` })
  }
}

/** Throws USAGE for variables whose value is none. */
export function resolveCluster(file: ConfigFile | null, environment: Environment): ClusterConfig {
  const resolver = new Resolver(file, environment)
  const connections = [...(file?.connections ?? [])].map(
    ([name, texts]) => [name, resolver.connection(name, texts)] as const,
  )
  return {
    kafka: resolver.section('kafka'),
    registry: resolver.section('registry'),
    serve: resolver.section('serve'),
    api: resolver.section('api'),
    connections: new Map(connections),
    origins: resolver.origins,
  }
}

/** What works and should be another way, in words. */
export function clusterWarnings({ kafka }: ClusterConfig, file: ConfigFile | null): readonly string[] {
  const warnings: string[] = []
  if (kafka.sasl_mechanism === 'plain' && !kafka.tls)
    warnings.push('[kafka] sends its password in the clear: set tls, or a scram mechanism')
  const hasPassword = file?.sections.get('kafka')?.has('sasl_password') ?? false
  if (file?.isOpenToOthers === true && (hasPassword || file.sections.get('registry')?.has('password') === true))
    warnings.push(`${file.path} holds a password and can be read by others: chmod 600, or name a file or a variable`)
  return warnings
}
