import type { Command } from '../command.ts'
import { software } from '../software.ts'

export const version: Command = async ({ settings, terminal }) => {
  const { version: number, node, platform } = software()
  await terminal.result(
    settings.json
      ? `${JSON.stringify({ name: 'waybill', version: number, node, platform })}\n`
      : `waybill ${number} (Node ${node}, ${platform})\n`,
  )
  return 0
}
