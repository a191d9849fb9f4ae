// Exit codes are a promise to scripts: numbers never change their meaning. libs/domain/report.ts decides which one a run
// ends with; the words stand here once, for help, the last lines of a run, docs/options.md and docs/errors.md.
import type { ExitCode } from '#libs/domain/report'

const meanings: Readonly<Record<ExitCode, string>> = {
  0: 'everything is verified or was there already',
  1: 'a mistake in waybill itself',
  2: 'the command line or the configuration is wrong',
  3: 'a check before the start failed; nothing was moved',
  4: 'some items were not copied',
  5: 'something at the target differs from what was read, or is missing',
  6: 'copied, but some items could not be verified',
  7: 'the source changed during the run; its items are listed',
  8: 'stopped by a limit, a pause or a full disk; the same command goes on',
  10: 'another process works on this job',
  11: 'the report or its signature is not valid',
  12: 'nothing matched the selection',
  130: 'interrupted (Ctrl-C) after a clean stop; the same command goes on',
  143: 'terminated after a clean stop; the same command goes on',
}

export function exitMeaning(code: ExitCode): string {
  return meanings[code]
}

export const exitMeanings: readonly { readonly code: string; readonly meaning: string }[] = Object.entries(
  meanings,
).map(([code, meaning]) => ({ code, meaning }))
