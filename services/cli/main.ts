#!/usr/bin/env node
// The process of the command line: wires environment, terminal and signals, and ends with the command's exit code.
import { readEnvironment } from '#libs/runtime/environment'
import { systemClock } from '#libs/runtime/system-clock'
import { dispatch } from './dispatch.ts'
import { failureText } from './failure-text.ts'
import { openTerminal } from './terminal.ts'

const environment = readEnvironment()
const terminal = openTerminal(environment)
const stop = new AbortController()

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second signal does not wait for a clean stop; a kill at any moment is safe.
    if (stop.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
    stop.abort(name)
  })
}
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => {
    terminal.notice(failureText(error, process.argv.includes('-v')))
    process.exit(1)
  })
}

process.exitCode = await dispatch(process.argv.slice(2), {
  environment,
  terminal,
  clock: systemClock,
  signal: stop.signal,
})
