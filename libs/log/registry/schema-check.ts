// What a registry holds under our subjects, compared with our schemas both ways and with every version, without registering
// anything. The registry's own check is not relied on: where compatibility is NONE it says that all is well.
import avsc from 'avsc'
import { eventTypes } from '#schemas/wire'
import type { RegistryAddress } from './registry-address.ts'
import { openSchemaRegistry } from './schema-registry.ts'
import { schemaOfEvent, subjectOf } from './translation.ts'

export interface SchemaFinding {
  readonly subject: string
  /** registered: ours is a version; missing: there is none; older: ours would be a new version; incompatible: it could not. */
  readonly state: 'registered' | 'missing' | 'older' | 'incompatible'
  /** In words; null unless incompatible. */
  readonly difference: string | null
}

function typeOf(schema: unknown): avsc.Type | string {
  try {
    return avsc.Type.forSchema(schema as avsc.Schema)
  } catch (error) {
    return String(error)
  }
}

/** Why one cannot read what the other writes; null when each reads the other. */
function differenceOf(ours: avsc.Type, theirs: avsc.Type | string): string | null {
  if (typeof theirs === 'string') return `it is no Avro schema: ${theirs}`
  for (const [reader, writer, said] of [
    [ours, theirs, 'ours cannot read it'],
    [theirs, ours, 'it cannot read ours'],
  ] as const) {
    try {
      reader.createResolver(writer)
    } catch (error) {
      return `${said}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return null
}

function findingOf(subject: string, schema: unknown, versions: readonly unknown[]): SchemaFinding {
  const ours = avsc.Type.forSchema(schema as avsc.Schema)
  const theirs = versions.map(typeOf)
  const differences = theirs.map((type, index) => {
    const difference = differenceOf(ours, type)
    return difference === null ? null : `version ${index + 1}: ${difference}`
  })
  const [difference] = differences.filter((found) => found !== null)
  if (difference !== undefined) return { subject, state: 'incompatible', difference }
  const isRegistered = theirs.some((type) => typeof type !== 'string' && ours.equals(type))
  const state = isRegistered ? 'registered' : theirs.length === 0 ? 'missing' : 'older'
  return { subject, state, difference: null }
}

/** One finding for each event. Throws REGISTRY_UNREACHABLE, REGISTRY_DENIED, CONFIG_INVALID, the signal's reason. */
export async function checkSchemas(address: RegistryAddress, signal: AbortSignal): Promise<readonly SchemaFinding[]> {
  const registry = openSchemaRegistry(address)
  try {
    const findings: SchemaFinding[] = []
    for (const event of eventTypes) {
      const subject = subjectOf(event)
      findings.push(findingOf(subject, schemaOfEvent(event), await registry.versions(subject, signal)))
    }
    return findings
  } finally {
    await registry.close()
  }
}
