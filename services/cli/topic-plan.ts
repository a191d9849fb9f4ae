// What the topics of the cluster should be like, by configuration and flags.
import { WaybillError } from '#libs/domain/errors'
import type { OpenTopicPlan } from '#libs/runtime/adapters'
import type { KafkaSettings } from '#libs/runtime/cluster-settings'
import { clusterSettingsOf } from './cluster-settings.ts'
import type { CommandInput } from './command.ts'

export function topicPlanOf({
  settings,
  cluster: { kafka },
}: Pick<CommandInput, 'settings' | 'cluster'>): OpenTopicPlan {
  return {
    jobPartitions: settings['job-partitions'] ?? kafka.job_partitions,
    chunkPartitions: settings['chunk-partitions'] ?? kafka.chunk_partitions,
    replicas: settings.replicas ?? kafka.replicas,
    minInsyncReplicas: settings['min-insync-replicas'] ?? kafka.min_insync_replicas,
  }
}

export function allowsUnsafeTopics({ settings, cluster }: Pick<CommandInput, 'settings' | 'cluster'>): boolean {
  return settings['allow-unsafe-topics'] || cluster.kafka.allow_unsafe_topics
}

/** How the brokers are reached. Throws CONFIG_INVALID, also when none are configured. */
export async function kafkaSettingsOf(input: CommandInput): Promise<KafkaSettings> {
  const { log } = await clusterSettingsOf(input)
  if (log.kind === 'kafka') return log
  const problem = `this needs the brokers of a cluster: [kafka] brokers in ${input.config.path}, or WAYBILL_KAFKA_BROKERS`
  throw new WaybillError('CONFIG_INVALID', { problem })
}
