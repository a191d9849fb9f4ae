// Limits on the maximum: what hurts in every project is the one file in which everything happens.
import { type Finding, findingAt, isBelow, type Rule, type SourceFile, visit } from './source-file.ts'

const fileLinesMax = 400
const functionLinesMax = 70
const mainLinesMax = 60

function linesOf(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

interface Span {
  readonly start: number
  readonly end: number
}

function functionsOf(file: SourceFile): readonly Span[] {
  const spans: Span[] = []
  const add = ({ start, end }: Span): number => spans.push({ start, end })
  visit(file, { FunctionDeclaration: add, FunctionExpression: add, ArrowFunctionExpression: add })
  return spans
}

/** Lines of the function; in tests without the functions inside it, since a suite is a function that holds tests. */
function functionLines(file: SourceFile, span: Span, spans: readonly Span[]): number {
  const text = file.text.slice(span.start, span.end)
  const all = linesOf(text)
  if (!isBelow(file.path, 'test')) return all
  const inside = spans.filter((other) => other.start > span.start && other.end <= span.end)
  const outermost = inside.filter((a) => !inside.some((b) => b !== a && b.start <= a.start && b.end >= a.end))
  return outermost.reduce((lines, { start, end }) => lines - (linesOf(file.text.slice(start, end)) - 1), all)
}

function longFunctions(file: SourceFile): readonly Finding[] {
  const spans = functionsOf(file)
  return spans
    .map((span) => ({ span, lines: functionLines(file, span, spans) }))
    .filter(({ lines }) => lines > functionLinesMax)
    .map(({ span, lines }) => findingAt(file, span.start, `a function of ${lines} lines`))
}

const manyLines = (count: number): string => 'let x = 0\n'.repeat(count)
const longFunction = `function long(): void {\n${manyLines(functionLinesMax)}}\n`

export const sizeRules: readonly Rule[] = [
  {
    promise: `no file has more than ${fileLinesMax} lines`,
    reason: 'a file is understood in one reading; cut it where the second subject starts',
    check: (tree) =>
      tree
        .filter(({ path }) => /\.(ts|js|c|h|py|css)$/.test(path))
        .filter(({ text }) => linesOf(text) > fileLinesMax)
        .map((file) => findingAt(file, 0, `${linesOf(file.text)} lines`)),
    bad: [[{ path: 'libs/log/long.ts', text: manyLines(fileLinesMax + 1) }]],
    good: [[{ path: 'libs/log/long.ts', text: manyLines(fileLinesMax) }]],
  },
  {
    promise: `no function has more than ${functionLinesMax} lines`,
    reason: 'decide at the top and keep the leaves small; a suite of tests may hold more, its tests may not',
    check: (tree) => tree.flatMap(longFunctions),
    bad: [
      [{ path: 'libs/log/long.ts', text: longFunction }],
      [{ path: 'test/libs/long.test.ts', text: `suite(() => {\n${longFunction}})\n` }],
      [{ path: 'libs/log/outer.ts', text: `const outer = () => {\nfunction inner() {\n${manyLines(69)}}\n}\n` }],
    ],
    good: [
      [{ path: 'libs/log/long.ts', text: `function fits(): void {\n${manyLines(functionLinesMax - 2)}}\n` }],
      [{ path: 'test/contracts/log.contract.ts', text: `suite(() => {\n${'test(() => {\nx()\n})\n'.repeat(60)}})\n` }],
    ],
  },
  {
    promise: `a main file has at most ${mainLinesMax} lines`,
    reason: 'main files only wire: what they would decide belongs to a role or a library, where a test reaches it',
    check: (tree) =>
      tree
        .filter(({ path }) => /^services\/[^/]+\/main\.ts$/.test(path))
        .filter(({ text }) => linesOf(text) > mainLinesMax)
        .map((file) => findingAt(file, 0, `${linesOf(file.text)} lines`)),
    bad: [[{ path: 'services/worker/main.ts', text: manyLines(mainLinesMax + 1) }]],
    good: [[{ path: 'services/worker/main.ts', text: manyLines(mainLinesMax) }]],
  },
]
