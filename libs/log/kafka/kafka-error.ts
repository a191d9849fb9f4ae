// Errors of kafkajs, of brokers and of sockets, classified where they come in.
import { type Facts, WaybillError } from '#libs/domain/errors'

const deniedTypes = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
])
const distrustCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/
const refusedTypes = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'POLICY_VIOLATION',
  // A group that others use in another way, or brokers whose limits forbid our times.
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
])

function wordOf(error: Error, field: 'type' | 'code'): string | null {
  const value: unknown = field in error ? Reflect.get(error, field) : null
  return typeof value === 'string' ? value : null
}

const isOfClient = (error: Error): boolean => error.name.startsWith('KafkaJS')

/** kafkajs wraps what ended its retries; the reason is the innermost error that says something of its own. */
function rootOf(error: Error): Error {
  const isWrapper = isOfClient(error) && wordOf(error, 'type') === null
  return isWrapper && error.cause instanceof Error ? rootOf(error.cause) : error
}

/** `NOT_LEADER_FOR_PARTITION`, `ECONNREFUSED`, else the name of the class. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const root = rootOf(error)
  return wordOf(root, 'type') ?? wordOf(root, 'code') ?? root.name
}

/**
 * LOG_DENIED: credentials, rights, certificates. CONFIG_INVALID: a topic that refuses our records, a group that refuses us.
 * INSTANCE_TAKEN: another member has our name. LOG_UNREACHABLE: all else that brokers, connections and kafkajs say. What comes from nowhere of these is a mistake and stays what it is.
 */
export function kafkaError(error: unknown, facts: Facts = {}): unknown {
  if (!(error instanceof Error) || error instanceof WaybillError) return error
  const root = rootOf(error)
  const isOfSystem = wordOf(root, 'code') !== null && 'syscall' in root
  if (!isOfClient(root) && !isOfSystem) return root
  const reason = reasonOf(root)
  const said = { ...facts, reason }
  if (deniedTypes.has(reason) || root.name === 'KafkaJSSASLAuthenticationError' || distrustCodes.test(reason)) {
    return new WaybillError('LOG_DENIED', said, { cause: error })
  }
  if (reason === 'FENCED_INSTANCE_ID') return new WaybillError('INSTANCE_TAKEN', said, { cause: error })
  if (refusedTypes.has(reason)) return new WaybillError('CONFIG_INVALID', said, { cause: error })
  return new WaybillError('LOG_UNREACHABLE', said, { cause: error })
}
