// waybill tokens create|list|revoke: tokens of the API of the processes that use this state folder.
import { userInfo } from 'node:os'
import { WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { createToken, readTokens, revokeToken } from '#libs/runtime/tokens'
import { tokensFileOf } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/

function nameOf({ words }: CommandInput): string {
  const name = words[0] ?? userInfo().username
  if (!namePattern.test(name))
    throw new WaybillError('USAGE', { problem: `"${name}" is no name for a token; use letters, digits, . _ @ -` })
  return name
}

export const tokensCreate: Command = async (input) => {
  const { settings, terminal, clock } = input
  const path = tokensFileOf(input)
  const { scope: scopes } = settings
  if (scopes === null || scopes.length === 0)
    throw new WaybillError('USAGE', { problem: 'say what the token is good for: --scope read, write, report or admin' })
  const now = clock.now()
  const expiresAt = settings.expires === null ? null : new Date(now + settings.expires).toISOString()
  const name = nameOf(input)
  const { text, id } = await createToken(path, { name, scopes, expiresAt, now })
  const shown = { id, name, scopes, expires_at: expiresAt, token: text, file: path }
  await terminal.result(settings.json ? `${JSON.stringify(shown)}\n` : `${text}\n`)
  if (!settings.quiet)
    terminal.notice(
      `token ${id} of ${name} for ${scopes.join(', ')}; it is shown this once, ${path} holds its digest\n`,
    )
  return 0
}

export const tokensList: Command = async (input) => {
  const { settings, terminal } = input
  const path = tokensFileOf(input)
  const tokens = (await readTokens(path)).map(({ id, name, scopes, createdAt, expiresAt }) => ({
    id,
    name,
    scopes,
    created_at: createdAt,
    expires_at: expiresAt,
  }))
  if (settings.json) {
    await terminal.result(`${JSON.stringify({ file: path, tokens })}\n`)
    return 0
  }
  const lines = tokens.map(
    ({ id, name, scopes, created_at: made, expires_at: ends }) =>
      `${id}  ${showText(name)}  ${scopes.join(',')}  made ${made}${ends === null ? '' : `, expires ${ends}`}`,
  )
  await terminal.result(lines.length === 0 ? `no tokens in ${path}\n` : `${lines.join('\n')}\n`)
  return 0
}

export const tokensRevoke: Command = async (input) => {
  const { words, terminal } = input
  const path = tokensFileOf(input)
  const id = words[0] ?? ''
  if (!(await revokeToken(path, id))) throw new WaybillError('USAGE', { problem: `there is no token ${id} in ${path}` })
  await terminal.result(`${id}: revoked; processes refuse it within a second\n`)
  return 0
}
