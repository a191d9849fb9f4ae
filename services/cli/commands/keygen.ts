import { generateKeyFiles } from '#libs/report/keys'
import type { Command } from '../command.ts'

export const keygen: Command = async ({ words, settings, terminal }) => {
  const [path = ''] = words
  const { fingerprint } = await generateKeyFiles(path)
  await terminal.result(
    settings.json
      ? `${JSON.stringify({ private_key: path, public_key: `${path}.pub`, fingerprint })}\n`
      : `private key  ${path}  (keep it, show it to nobody)\npublic key   ${path}.pub  (give it to those who check)\nfingerprint  ${fingerprint}\n`,
  )
  return 0
}
