// Names of files, forms of code that hide mistakes, and words that do not belong into the repository.
import { posix } from 'node:path'
import { type Finding, findingAt, isBelow, type Rule, type SourceFile, visit } from './source-file.ts'

const emptyNames = ['util', 'helper', 'common', 'shared', 'core', 'manager', 'handler', 'data', 'info', 'misc']
const isCode = (path: string): boolean => /\.(ts|js|c|h|py)$/.test(path)

/** A name says nothing when its last word is one of the empty ones: `string-utils`, `data`, `error-handler`. */
function isEmptyName(segment: string): boolean {
  const stem = segment.split('.')[0] ?? ''
  const last = stem.split('-').at(-1) ?? ''
  return stem === 'index' || emptyNames.some((word) => last === word || last === `${word}s`)
}

function badNames(file: SourceFile, isBad: (segment: string) => boolean): readonly Finding[] {
  return file.path
    .split('/')
    .filter(isBad)
    .map((segment) => findingAt(file, 0, `is named ${segment}`))
}

const kebab = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/

function forbiddenForms(file: SourceFile): readonly Finding[] {
  const found: Finding[] = []
  const add = (what: string) => (node: { readonly start: number }) => {
    found.push(findingAt(file, node.start, what))
  }
  visit(file, {
    ExportDefaultDeclaration: add('a default export'),
    TSEnumDeclaration: add('an enum'),
    TSAnyKeyword: add('any'),
    TSModuleDeclaration: (node) => (node.kind === 'namespace' ? add('a namespace')(node) : undefined),
  })
  return found
}

/** `catch {}` and `.catch(() => {})`; a comment inside the braces says why nothing is to be done. */
function emptyCatches(file: SourceFile): readonly Finding[] {
  const found: Finding[] = []
  const isSilent = (block: { readonly start: number; readonly end: number; readonly body: readonly unknown[] }) =>
    block.body.length === 0 && file.text.slice(block.start + 1, block.end - 1).trim() === ''
  visit(file, {
    CatchClause: (node) => {
      if (isSilent(node.body)) found.push(findingAt(file, node.start, 'an empty catch'))
    },
    CallExpression: (node) => {
      const [argument] = node.arguments
      const isCatch =
        node.callee.type === 'MemberExpression' &&
        node.callee.property.type === 'Identifier' &&
        node.callee.property.name === 'catch'
      if (!isCatch || argument?.type !== 'ArrowFunctionExpression') return
      if (argument.body.type === 'BlockStatement' && isSilent(argument.body)) {
        found.push(findingAt(file, node.start, 'an empty .catch'))
      }
    },
  })
  return found
}

function matches(file: SourceFile, pattern: RegExp): readonly Finding[] {
  return [...file.text.matchAll(pattern)].map((match) => findingAt(file, match.index, `says ${match[0].trim()}`))
}

/** Comments of code, the whole text of anything else. */
function unfinishedWords(file: SourceFile): readonly Finding[] {
  const pattern = /\b(?:TODO|FIXME|XXX|HACK)\b/g
  if (file.code === null) return matches(file, pattern)
  return file.code.comments.flatMap((comment) =>
    [...comment.value.matchAll(pattern)].map((match) => findingAt(file, comment.start, `says ${match[0]}`)),
  )
}

/** A folder of one person's machine. */
const machinePath = /(?<![\w./-])\/(?:work|home|Users|root)\/[a-z][\w.-]*/g

const text = (path: string, content: string): readonly { path: string; text: string }[] => [
  { path, text: `${content}\n` },
]

export const textRules: readonly Rule[] = [
  {
    promise: 'no file or folder has a name that says nothing',
    reason: `a reader finds the room by its name; ${emptyNames.join(', ')} and index name none`,
    check: (tree) => tree.filter(({ path }) => isCode(path)).flatMap((file) => badNames(file, isEmptyName)),
    bad: ['libs/utils/a.ts', 'libs/log/index.ts', 'libs/log/string-helpers.ts', 'libs/log/error-handler.ts'].map(
      (path) => text(path, ''),
    ),
    good: ['libs/log/metadata.ts', 'libs/log/core-dump.ts', 'test/libs/log/event-log.test.ts'].map((path) =>
      text(path, ''),
    ),
  },
  {
    promise: 'files and folders of code are named in kebab-case',
    reason: 'one form for all names: no one has to guess it, and no file system folds two into one',
    check: (tree) =>
      tree.filter(({ path }) => isCode(path)).flatMap((file) => badNames(file, (segment) => !kebab.test(segment))),
    bad: ['libs/log/EventLog.ts', 'libs/event_log/a.ts'].map((path) => text(path, '')),
    good: ['libs/log/event-log.ts', 'test/run.ts', 'test/libs/s3.server.test.ts'].map((path) => text(path, '')),
  },
  {
    promise: 'no default export, enum, namespace or any',
    reason: 'a thing has one name everywhere, unions carry the words, and a type that is switched off proves nothing',
    check: (tree) => tree.flatMap(forbiddenForms),
    bad: [
      text('libs/a.ts', 'export default 1'),
      text('libs/a.ts', 'enum Colour { red }'),
      text('libs/a.ts', 'const x = (y: any) => y'),
      text('test/a.ts', 'const x = y as any'),
      text('libs/a.ts', 'namespace A { export const b = 1 }'),
    ],
    good: [text('libs/a.ts', 'const any = "any enum default"')],
  },
  {
    promise: 'no error is swallowed by an empty catch',
    reason: 'throw or log; where nothing is to be done, a comment in the braces says why',
    check: (tree) => tree.flatMap(emptyCatches),
    bad: [text('libs/a.ts', 'try { x() } catch {}'), text('libs/a.ts', 'await x().catch(() => {})')],
    good: [text('libs/a.ts', 'try { x() } catch {\n  // gone already: that is what was asked for\n}')],
  },
  {
    promise: 'nothing is marked as to be done later',
    reason: 'what is missing stands in an issue where someone finds it, not in a comment',
    check: (tree) => tree.filter(({ path }) => path !== 'test/tidy/text-rules.ts').flatMap(unfinishedWords),
    bad: [text('libs/a.ts', '// TODO later'), text('docs/a.md', 'FIXME: write this')],
    good: [text('libs/a.ts', 'const word = "TODO"'), text('docs/a.md', 'What is to be done first.')],
  },
  {
    promise: 'the repository speaks of the project alone',
    reason: "a path of one person's machine leads no reader anywhere",
    check: (tree) =>
      tree
        .filter(({ path }) => path !== 'test/tidy/text-rules.ts' && !isBelow(path, 'samples'))
        .filter(({ path }) => posix.basename(path) !== 'LICENSE')
        .flatMap((file) => matches(file, machinePath)),
    bad: [text('docs/a.md', 'Start it with `/home/anna/waybill/run`.'), text('libs/a.ts', '// see /Users/anna/notes')],
    good: [text('docs/a.md', 'The rows of /proc and /tmp/x; schemas are generated by scripts/generate-schemas.ts.')],
  },
]
