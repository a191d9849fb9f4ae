import { WaybillError } from '#libs/domain/errors'
import type { Command } from '../command.ts'
import { bashCompletion } from '../completion-bash.ts'
import { fishCompletion } from '../completion-fish.ts'
import { zshCompletion } from '../completion-zsh.ts'

const scripts = new Map([
  ['bash', bashCompletion],
  ['zsh', zshCompletion],
  ['fish', fishCompletion],
])

export const completion: Command = async ({ words, terminal }) => {
  const [shell = ''] = words
  const script = scripts.get(shell)
  if (script === undefined) {
    throw new WaybillError('USAGE', {
      problem: `there is no completion for ${shell}; there is ${[...scripts.keys()].join(', ')}`,
    })
  }
  await terminal.result(script())
  return 0
}
