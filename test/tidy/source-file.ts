// One file of the repository as the house rules see it: its text, and for TypeScript its syntax tree.
import { posix } from 'node:path'
import { type Comment, type Program, parseSync, Visitor, type VisitorObject } from 'oxc-parser'

export interface Code {
  readonly program: Program
  readonly comments: readonly Comment[]
}

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly text: string
  /** null for what is not TypeScript. */
  readonly code: Code | null
}

export interface Import {
  /** As written, or the path from the root of the repository when it is a file of ours. */
  readonly target: string
  readonly isOurs: boolean
  readonly start: number
}

export interface Finding {
  readonly path: string
  /** 1-based */
  readonly line: number
  readonly what: string
}

export interface Sample {
  readonly path: string
  readonly text: string
}

export interface Rule {
  readonly promise: string
  /** Why the rule is there; printed with every finding. */
  readonly reason: string
  readonly check: (tree: readonly SourceFile[]) => readonly Finding[]
  /** Small trees that break the rule: they prove that it can fail. */
  readonly bad: readonly (readonly Sample[])[]
  /** Small trees near the border that do not break it. */
  readonly good: readonly (readonly Sample[])[]
}

/** Throws when TypeScript does not parse. */
export function sourceFile({ path, text }: Sample): SourceFile {
  if (!path.endsWith('.ts')) return { path, text, code: null }
  const parsed = parseSync(path, text)
  const [error] = parsed.errors
  if (error !== undefined) throw new Error(`${path}: ${error.message}`)
  return { path, text, code: { program: parsed.program, comments: parsed.comments } }
}

export function visit(file: SourceFile, visitor: VisitorObject): void {
  if (file.code !== null) new Visitor(visitor).visit(file.code.program)
}

export function lineAt(file: SourceFile, offset: number): number {
  return file.text.slice(0, offset).split('\n').length
}

export function findingAt(file: SourceFile, offset: number, what: string): Finding {
  return { path: file.path, line: lineAt(file, offset), what }
}

export function isBelow(path: string, ...folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`))
}

/** The program itself, as opposed to what tests, measures and builds it. */
export function isProgram(path: string): boolean {
  return isBelow(path, 'schemas', 'libs', 'services', 'bin')
}

function resolve(from: string, specifier: string): Omit<Import, 'start'> {
  if (specifier.startsWith('#')) return { target: `${specifier.slice(1)}.ts`, isOurs: true }
  if (specifier.startsWith('.')) return { target: posix.join(posix.dirname(from), specifier), isOurs: true }
  return { target: specifier, isOurs: false }
}

/** All imports and re-exports, static and dynamic, types included: a type ties two folders together as well. */
export function importsOf(file: SourceFile): readonly Import[] {
  const found: Import[] = []
  const add = (specifier: string, start: number): void => {
    found.push({ ...resolve(file.path, specifier), start })
  }
  visit(file, {
    ImportDeclaration: (node) => add(node.source.value, node.start),
    ExportNamedDeclaration: (node) => (node.source === null ? undefined : add(node.source.value, node.start)),
    ExportAllDeclaration: (node) => add(node.source.value, node.start),
    ImportExpression: (node) =>
      node.source.type === 'Literal' && typeof node.source.value === 'string'
        ? add(node.source.value, node.start)
        : undefined,
  })
  return found
}

export interface Use {
  /** A bare name (`console`) or a name and its property (`Date.now`). */
  readonly name: string
  readonly start: number
}

/** Names that are read as such, not as the property of something else. */
export function usesOf(file: SourceFile): readonly Use[] {
  const found: Use[] = []
  const properties = new Set<number>()
  visit(file, {
    MemberExpression: (node) => {
      if (node.computed) return
      properties.add(node.property.start)
      if (node.object.type === 'Identifier' && node.property.type === 'Identifier') {
        found.push({ name: `${node.object.name}.${node.property.name}`, start: node.start })
      }
    },
    Property: (node) => {
      if (!node.computed && !node.shorthand) properties.add(node.key.start)
    },
    TSPropertySignature: (node) => {
      if (!node.computed) properties.add(node.key.start)
    },
    Identifier: (node) => {
      if (!properties.has(node.start)) found.push({ name: node.name, start: node.start })
    },
  })
  return found
}
