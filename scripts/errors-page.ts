// docs/errors.md, made from the catalogue: the same fact is written once.
import { type ErrorEntry, errorCatalogue, type Retry } from '#libs/domain/errors'
import { exitMeanings } from '#services/cli/exit-codes'

const meanings: Readonly<Record<Retry, string>> = {
  again:
    'The program tries again, a bounded number of times and with growing waits. You see it only when that did not help.',
  item: 'This item ends with the code as its reason; all others go on.',
  relist: 'The item is another version now. The program lists it again and copies that version, at most 3 times.',
  pause: 'The job pauses and nothing is lost. Do what the text says and run the same command again.',
  never: 'Nothing works before a person does what the text says.',
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

/** Text of docs/errors.md. */
export function errorsPage(): string {
  const entries: readonly (readonly [string, ErrorEntry])[] = Object.entries(errorCatalogue)
  const codes = entries.map(([code, { retry, help }]) => [`\`${code}\``, retry, help])
  return `# Errors

<!-- Made by \`npm run generate\` from libs/domain/errors.ts and services/cli/exit-codes.ts; a test fails when they
differ. -->

Every error has a fixed code, in messages, events, logs and reports alike. The second column says what the program does
about it.

${table(
  ['retry', 'what the program does'],
  Object.entries(meanings).map(([retry, meaning]) => [`\`${retry}\``, meaning]),
)}

## Codes

${table(['code', 'retry', 'what happened and what to do'], codes)}

## Exit codes

When several apply, the first of 5, 4, 7, 6, 8 is used. Items skipped by design do not count; the report lists them.

${table(
  ['exit code', 'meaning'],
  exitMeanings.map(({ code, meaning }) => [code, meaning]),
)}
`
}
