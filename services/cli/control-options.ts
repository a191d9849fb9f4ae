// Options of commands that steer jobs and of those that make tokens.
import { scopes } from '#schemas/api/scopes'
import { one, optional } from './option-entry.ts'
import { duration, endpoint, flag, several, text } from './value-types.ts'

/** Commands that go to the API of a process, where one runs. */
export const controlling = [
  'jobs pause',
  'jobs resume',
  'jobs cancel',
  'jobs retry',
  'jobs throttle',
  'jobs events',
] as const

/** Commands that the API of a process may answer. */
const answering = [...controlling, 'jobs list', 'jobs show', 'jobs submit', 'jobs wait'] as const

/** Commands on the tokens of the API. */
export const tokenCommands = ['tokens create', 'tokens list', 'tokens revoke'] as const

export const controlOptions = {
  api: optional(endpoint, {
    group: 'command',
    commands: answering,
    help: 'address of the API of a process that serves; the token stands in the variable WAYBILL_TOKEN',
  }),
  reason: optional(text('TEXT'), {
    group: 'command',
    commands: ['jobs pause', 'jobs resume', 'jobs cancel', 'jobs retry', 'jobs throttle'],
    isTypedOnly: true,
    help: 'why, for those who read the log later',
  }),
  follow: one(flag, false, {
    group: 'command',
    commands: ['jobs events'],
    isTypedOnly: true,
    help: 'go on with what happens, until interrupted',
  }),
  types: optional(text('EVENT,...'), {
    group: 'command',
    commands: ['jobs events'],
    isTypedOnly: true,
    help: 'only events of these types',
  }),
  scope: optional(several(scopes), {
    group: 'command',
    commands: ['tokens create'],
    isTypedOnly: true,
    help: 'what the token is good for, with commas between; admin includes the others',
  }),
  expires: optional(duration, {
    group: 'command',
    commands: ['tokens create'],
    isTypedOnly: true,
    help: 'how long the token lasts; without it until it is revoked',
  }),
} as const
