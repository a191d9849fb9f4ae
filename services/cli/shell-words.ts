// Words as a shell reads them again.

import { showText } from '#libs/domain/name-text'
import { redactText } from '#libs/runtime/redaction'

const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/

/** Quoted where needed, secrets taken out; what cannot be shown is escaped, so the text is for people first. */
export function shellWords(words: readonly string[]): string {
  return words
    .map((word) => showText(redactText(word)))
    .map((word) => (plainWord.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
