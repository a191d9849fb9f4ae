// waybill topics create, waybill topics check: the four topics of the event log, and the schemas in its registry.
import { WaybillError } from '#libs/domain/errors'
import type { ExitCode } from '#libs/domain/report'
import {
  checkClusterSchemas,
  checkClusterTopics,
  createClusterTopics,
  findingLine,
  type SchemaFinding,
  type TopicFinding,
  type TopicsPlace,
} from '#libs/runtime/adapters'
import type { Command, CommandInput } from '../command.ts'
import { allowsUnsafeTopics, kafkaSettingsOf, topicPlanOf } from '../topic-plan.ts'

/** What is wrong with the topics ends a process that would work on them. Throws CONFIG_INVALID, and what asking throws. */
export async function mustHaveSoundTopics(input: CommandInput): Promise<void> {
  if (input.cluster.kafka.brokers.length === 0) return
  const place = await placeOf(input)
  const findings = await checkClusterTopics(place)
  for (const finding of findings) input.logger.warn({ ...finding }, 'a topic is not as it should be')
  const [refused] = findings.filter(({ weight }) => weight === 'refused')
  if (refused === undefined || allowsUnsafeTopics(input)) return
  const problem = `${place.log.topicPrefix}.${findingLine(refused)} (waybill topics check tells all, --allow-unsafe-topics works on it)`
  throw new WaybillError('CONFIG_INVALID', { problem })
}

async function placeOf(input: CommandInput): Promise<TopicsPlace> {
  const { clock, logger } = input
  return { log: await kafkaSettingsOf(input), plan: topicPlanOf(input), clock, logger }
}

interface Told {
  readonly made: readonly string[]
  readonly findings: readonly TopicFinding[]
  readonly schemas: readonly SchemaFinding[]
}

const isIncompatible = ({ state }: SchemaFinding): boolean => state === 'incompatible'

/** What there is to say of schemas: each that is refused, then how many there are of each state. */
function schemaLines(schemas: readonly SchemaFinding[]): readonly string[] {
  if (schemas.length === 0) return []
  const counted = [...Map.groupBy(schemas, ({ state }) => state)].map(([state, of]) => `${of.length} ${state}`)
  return [
    ...schemas.filter(isIncompatible).map(({ subject, difference }) => ` FAIL  ${subject}: ${difference}`),
    ` schemas  ${counted.join(', ')}`,
  ]
}

async function tell(
  input: CommandInput,
  { log, plan }: TopicsPlace,
  { made, findings, schemas }: Told,
): Promise<ExitCode> {
  const { settings, terminal } = input
  const isAllowed = allowsUnsafeTopics(input)
  const refused = findings.filter(({ weight }) => weight === 'refused')
  const isRefused = (refused.length > 0 && !isAllowed) || schemas.some(isIncompatible)
  const exitCode: ExitCode = isRefused ? 3 : 0
  if (settings.json) {
    const wanted = {
      job_partitions: plan.jobPartitions,
      chunk_partitions: plan.chunkPartitions,
      replicas: plan.replicas,
      min_insync_replicas: plan.minInsyncReplicas,
    }
    const told = {
      exit_code: exitCode,
      topic_prefix: log.topicPrefix,
      wanted,
      made,
      findings,
      schemas,
      is_allowed: isAllowed,
    }
    await terminal.result(`${JSON.stringify(told)}\n`)
    return exitCode
  }
  const mark = ({ weight }: TopicFinding): string => (weight === 'refused' && !isAllowed ? 'FAIL' : 'warn')
  const lines = [
    ...made.map((topic) => ` made  ${log.topicPrefix}.${topic}`),
    ...findings.map((finding) => ` ${mark(finding)}  ${log.topicPrefix}.${findingLine(finding)}`),
    ...schemaLines(schemas),
    verdictOf(findings, schemas, exitCode),
  ]
  await terminal.result(`${lines.join('\n')}\n`)
  return exitCode
}

function verdictOf(findings: readonly TopicFinding[], schemas: readonly SchemaFinding[], exitCode: ExitCode): string {
  if (schemas.some(isIncompatible))
    return 'Another program uses our subjects in the schema registry: give waybill one of its own.'
  if (findings.length === 0) return 'The topics are as they must be.'
  if (exitCode === 0) return 'The topics can be worked on; mind the warnings.'
  return 'The topics are refused: mend them, say what they are ([kafka] in the configuration), or --allow-unsafe-topics.'
}

export const topicsCreate: Command = async (input) => {
  const place = await placeOf(input)
  const made = await createClusterTopics(place)
  return tell(input, place, { made, findings: await checkClusterTopics(place), schemas: [] })
}

export const topicsCheck: Command = async (input) => {
  const place = await placeOf(input)
  const findings = await checkClusterTopics(place)
  return tell(input, place, { made: [], findings, schemas: await checkClusterSchemas(place.log, input) })
}
