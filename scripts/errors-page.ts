// docs/errors.md, made from the catalogue: the same fact is written once.
import { type ErrorEntry, errorCatalogue, type Retry } from '#libs/domain/errors'

const meanings: Readonly<Record<Retry, string>> = {
  again:
    'The program tries again, a bounded number of times and with growing waits. You see it only when that did not help.',
  item: 'This item ends with the code as its reason; all others go on.',
  relist: 'The item is another version now. The program lists it again and copies that version, at most 3 times.',
  pause: 'The job pauses and nothing is lost. Do what the text says and run the same command again.',
  never: 'Nothing works before a person does what the text says.',
}

const exitCodes: readonly (readonly [string, string])[] = [
  ['0', 'everything is verified or was there already (what is skipped by design is listed in the report)'],
  ['1', 'a mistake in waybill'],
  ['2', 'usage or configuration'],
  ['3', 'a check before the start failed, nothing was moved'],
  ['4', 'some items were not copied'],
  ['5', 'something at the target differs or is missing'],
  ['6', 'copied, but some of it cannot be verified'],
  ['7', 'the source changed during the run; the items are listed'],
  ['8', 'stopped by a limit, a pause or a full disk; the same command goes on'],
  ['10', 'another process works on this job'],
  ['11', 'a report or its signature is not valid'],
  ['12', 'nothing matched the selection'],
  ['130, 143', 'interrupted by SIGINT or SIGTERM, stopped cleanly'],
]

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

/** Text of docs/errors.md. */
export function errorsPage(): string {
  const entries: readonly (readonly [string, ErrorEntry])[] = Object.entries(errorCatalogue)
  const codes = entries.map(([code, { retry, help }]) => [`\`${code}\``, retry, help])
  return `# Errors

<!-- Made by \`npm run generate\` from libs/domain/errors.ts; a test fails when the two differ. -->

Every error has a fixed code, in messages, events, logs and reports alike. The second column says what the program does
about it.

${table(
  ['retry', 'what the program does'],
  Object.entries(meanings).map(([retry, meaning]) => [`\`${retry}\``, meaning]),
)}

## Codes

${table(['code', 'retry', 'what happened and what to do'], codes)}

## Exit codes

When several apply, the first of 5, 4, 7, 6, 8 is used.

${table(['exit code', 'meaning'], exitCodes)}
`
}
