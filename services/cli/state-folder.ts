// Where jobs keep their state: --state-dir, else the XDG state folder.
import { join, resolve } from 'node:path'
import type { CommandInput } from './command.ts'

export function stateFolderOf({ settings, environment }: Pick<CommandInput, 'settings' | 'environment'>): string {
  const typed = settings['state-dir']
  return typed === null ? join(environment.stateFolder, 'jobs') : resolve(typed)
}
