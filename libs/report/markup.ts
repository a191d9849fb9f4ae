// HTML that cannot forget to escape: a template's values are text unless they are markup themselves. Text from outside is
// also made visible: what cannot be seen, or turns the direction of writing, is shown by its code point.
import { showName } from '#libs/domain/name-text'

export interface Markup {
  readonly html: string
}

type Value = string | number | Markup | readonly Markup[]

const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeText = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? '')

const codePoint = (character: string): string =>
  `<span class="unseen">U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}</span>`

/** `markup\`<td>${text}</td>\``: text is escaped and made visible, markup is taken as it is. */
export function markup(literals: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return { html: literals.reduce((html, literal, index) => html + htmlOf(values[index - 1] ?? '') + literal) }
}

function htmlOf(value: Value): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return visibleText(value)
  if ('html' in value) return value.html
  return value.map(({ html }) => html).join('')
}

/** Splitting first keeps the spans of code points out of reach of the escaping. */
function visibleText(text: string): string {
  const seen = text.split(unseen).map(escapeText)
  const hidden = text.match(unseen) ?? []
  return seen.map((piece, index) => piece + (index < hidden.length ? codePoint(hidden[index] ?? '') : '')).join('')
}

/** A name in base64, as `showName` shows it, its escaped bytes set apart. */
export function nameMarkup(name: string): Markup {
  const html = showName(Buffer.from(name, 'base64'))
    .split(/((?:%[0-9A-F]{2})+)/)
    .map((piece, index) => (index % 2 === 1 ? `<span class="unseen">${piece}</span>` : escapeText(piece)))
    .join('')
  return { html: `<bdi class="name">${html}</bdi>` }
}

export const nothing: Markup = { html: '' }
