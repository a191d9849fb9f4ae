// waybill topics create, waybill topics check: the four topics of the event log.
import type { ExitCode } from '#libs/domain/report'
import {
  checkClusterTopics,
  createClusterTopics,
  findingLine,
  type TopicFinding,
  type TopicsPlace,
} from '#libs/runtime/adapters'
import type { Command, CommandInput } from '../command.ts'
import { allowsUnsafeTopics, kafkaSettingsOf, topicPlanOf } from '../topic-plan.ts'

async function placeOf(input: CommandInput): Promise<TopicsPlace> {
  const { clock, logger } = input
  return { log: await kafkaSettingsOf(input), plan: topicPlanOf(input), clock, logger }
}

interface Told {
  readonly made: readonly string[]
  readonly findings: readonly TopicFinding[]
}

async function tell(input: CommandInput, { log, plan }: TopicsPlace, { made, findings }: Told): Promise<ExitCode> {
  const { settings, terminal } = input
  const isAllowed = allowsUnsafeTopics(input)
  const refused = findings.filter(({ weight }) => weight === 'refused')
  const exitCode: ExitCode = refused.length > 0 && !isAllowed ? 3 : 0
  if (settings.json) {
    const { partitionCounts, replicas, minInsyncReplicas } = plan
    const wanted = { partitions: partitionCounts, replicas, min_insync_replicas: minInsyncReplicas }
    const told = { exit_code: exitCode, topic_prefix: log.topicPrefix, wanted, made, findings, is_allowed: isAllowed }
    await terminal.result(`${JSON.stringify(told)}\n`)
    return exitCode
  }
  const mark = ({ weight }: TopicFinding): string => (weight === 'refused' && !isAllowed ? 'FAIL' : 'warn')
  const lines = [
    ...made.map((topic) => ` made  ${log.topicPrefix}.${topic}`),
    ...findings.map((finding) => ` ${mark(finding)}  ${log.topicPrefix}.${findingLine(finding)}`),
    verdictOf(findings, exitCode),
  ]
  await terminal.result(`${lines.join('\n')}\n`)
  return exitCode
}

function verdictOf(findings: readonly TopicFinding[], exitCode: ExitCode): string {
  if (findings.length === 0) return 'The topics are as they must be.'
  if (exitCode === 0) return 'The topics can be worked on; mind the warnings.'
  return 'The topics are refused: mend them, say what they are ([kafka] in the configuration), or --allow-unsafe-topics.'
}

export const topicsCreate: Command = async (input) => {
  const place = await placeOf(input)
  const made = await createClusterTopics(place)
  return tell(input, place, { made, findings: await checkClusterTopics(place) })
}

export const topicsCheck: Command = async (input) => {
  const place = await placeOf(input)
  return tell(input, place, { made: [], findings: await checkClusterTopics(place) })
}
