// Which items are moved (docs/options.md, "Which items are moved"). Pure: the same request and entry give the same answer
// in every process. Rules are tried in order, the first that matches decides; names of directories end with a slash.
import type { ItemKind, JobRequest } from '#schemas/records'
import { compileGlob, type Glob } from './glob.ts'
import type { NameList } from './name-list.ts'
import { invalidByte, unitsOf } from './name-text.ts'
import { type Parsed, parsed, refused } from './quantity.ts'

export type SelectionRule = JobRequest['rules'][number]
export type SelectionRequest = Pick<
  JobRequest,
  'rules' | 'sizeBytesMin' | 'sizeBytesMax' | 'modifiedAfterMs' | 'symlinks'
>

export interface SelectionEntry {
  /** Relative to the source, no trailing slash. */
  readonly name: Uint8Array
  readonly kind: ItemKind
  readonly identity: { readonly size: number; readonly mtimeNs: string }
}

/** move: list and move it. leave_out: as if it were not there. skip_link: list it as skipped(SYMLINK_SKIPPED). */
export type Choice = 'move' | 'leave_out' | 'skip_link'

export interface Selection {
  /** False: nothing was asked for but everything. */
  readonly isNarrowed: boolean
  choose(entry: SelectionEntry): Choice
  /**
   * Whether something below the directory may be moved: else the walk need not enter it. May be true although nothing is
   * found there, never false although something would be.
   */
  entersDirectory(name: Uint8Array): boolean
}

interface CompiledRule {
  readonly isInclude: boolean
  readonly glob: Glob
}

const rulesMax = 10_000
const slash = 0x2f
const backslash = 0x5c
const replacementCharacter = 0xfffd

function withSlash(name: Uint8Array): Uint8Array {
  const longer = new Uint8Array(name.length + 1)
  longer.set(name)
  longer[name.length] = slash
  return longer
}

function isIncluded(rules: readonly CompiledRule[], name: Uint8Array): boolean {
  if (rules.length === 0) return true
  const units = unitsOf(name)
  return rules.find((rule) => rule.glob.matches(units))?.isInclude ?? true
}

/** False only when every name below the directory meets an exclude rule before any include rule could match it. */
function mayIncludeBelow(rules: readonly CompiledRule[], directory: Uint8Array): boolean {
  if (rules.length === 0) return true
  const units = unitsOf(directory)
  for (const rule of rules) {
    const { isAlive, matchesAll } = rule.glob.reach(units)
    if (rule.isInclude && isAlive) return true
    if (!rule.isInclude && matchesAll) return false
  }
  return true
}

function fitsLimits(request: SelectionRequest, { kind, identity }: SelectionEntry): boolean {
  if (kind !== 'file') return true
  const { sizeBytesMin, sizeBytesMax, modifiedAfterMs } = request
  if (sizeBytesMin !== null && identity.size < sizeBytesMin) return false
  if (sizeBytesMax !== null && identity.size > sizeBytesMax) return false
  return modifiedAfterMs === null || BigInt(identity.mtimeNs) > BigInt(modifiedAfterMs) * 1_000_000n
}

/** Refused with a sentence when a rule is no glob. `names`: the list of --files-from, null without one. */
export function compileSelection(request: SelectionRequest, names: NameList | null): Parsed<Selection> {
  if (request.rules.length > rulesMax) return refused(`there are more than ${rulesMax} rules`)
  const rules: CompiledRule[] = []
  for (const { action, glob } of request.rules) {
    const compiled = compileGlob(glob)
    if (!compiled.ok) return compiled
    rules.push({ isInclude: action === 'include', glob: compiled.value })
  }
  const { sizeBytesMin, sizeBytesMax, modifiedAfterMs } = request
  const hasLimits = sizeBytesMin !== null || sizeBytesMax !== null || modifiedAfterMs !== null
  return parsed({
    isNarrowed: rules.length > 0 || names !== null || hasLimits,
    choose(entry) {
      const name = entry.kind === 'directory' ? withSlash(entry.name) : entry.name
      // A directory above a named item is named with it: its mode and times belong to the item's way.
      const isNamed = names === null || names.names(name) || (entry.kind === 'directory' && names.namesBelow(name))
      if (!isNamed) return 'leave_out'
      if (!fitsLimits(request, entry) || !isIncluded(rules, name)) return 'leave_out'
      return entry.kind === 'symlink' && request.symlinks === 'skip' ? 'skip_link' : 'move'
    },
    entersDirectory(name) {
      const directory = withSlash(name)
      return (names === null || names.namesBelow(directory)) && mayIncludeBelow(rules, directory)
    },
  })
}

/** With an --include among the rules, what no rule matches is left out: said by a last rule. */
export function closeRules(rules: readonly SelectionRule[], hasInclude: boolean): readonly SelectionRule[] {
  return hasInclude ? [...rules, { action: 'exclude', glob: '**' }] : rules
}

/** A line of a filter file as text, each byte that is not UTF-8 as `\xHH`, which globs understand. */
function lineText(bytes: Uint8Array): string {
  const units = unitsOf(bytes)
  let text = ''
  let isEscaped = false
  for (let index = 0; index < units.length; index += 1) {
    const unit = units[index] ?? 0
    if (unit < invalidByte && unit !== replacementCharacter) {
      text += String.fromCodePoint(unit)
      isEscaped = unit === backslash && !isEscaped
      continue
    }
    // A backslash before such a byte would escape our own.
    if (isEscaped) text = text.slice(0, -1)
    text += unit === replacementCharacter ? '\\xef\\xbf\\xbd' : `\\x${(unit - invalidByte).toString(16)}`
    isEscaped = false
  }
  return text
}

/** The rules of a filter file, in order; the problem names the line. */
export function parseFilterFile(bytes: Uint8Array): Parsed<readonly SelectionRule[]> {
  const rules: SelectionRule[] = []
  for (let start = 0, line = 1; start < bytes.length; line += 1) {
    const found = bytes.indexOf(0x0a, start)
    const end = found === -1 ? bytes.length : found
    const text = lineText(bytes.subarray(start, end)).replace(/\r$/, '')
    start = end + 1
    if (/^[ \t]*([#;]|$)/.test(text)) continue
    const match = /^([+-])[ \t]+(.*)$/s.exec(text)
    if (match === null) return refused(`line ${line}: a rule begins with "+ " or "- "`)
    const [, sign, glob = ''] = match
    const compiled = compileGlob(glob)
    if (!compiled.ok) return refused(`line ${line}: ${compiled.problem}`)
    rules.push({ action: sign === '+' ? 'include' : 'exclude', glob })
    if (rules.length > rulesMax) return refused(`there are more than ${rulesMax} rules`)
  }
  return parsed(rules)
}
