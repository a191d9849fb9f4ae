// What ajv says of a request, as pointers and words: one for each mistake, and none of them a pattern for programs.
import type { ProblemPointer } from './problems.ts'

/** One mistake, as ajv tells it with `verbose`. */
export interface SchemaMistake {
  readonly instancePath: string
  readonly schemaPath: string
  readonly keyword: string
  readonly message?: string
  readonly params: Readonly<Record<string, unknown>>
  readonly parentSchema?: { readonly description?: string }
}

const part = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

function pointerOf({ instancePath, keyword, params }: SchemaMistake, context: string): string {
  const base =
    context === 'body' ? '' : `/${context === 'querystring' ? 'query' : context === 'params' ? 'path' : context}`
  const named = keyword === 'additionalProperties' ? params['additionalProperty'] : undefined
  const missing = keyword === 'required' ? params['missingProperty'] : undefined
  const last = named ?? missing
  return `${base}${instancePath}${typeof last === 'string' ? `/${part(last)}` : ''}`
}

function detailOf({ keyword, message, params, parentSchema }: SchemaMistake): string {
  if (keyword === 'additionalProperties') return 'is not known here'
  if (keyword === 'required') return 'is missing'
  if (keyword === 'minProperties') return 'names nothing'
  if (keyword === 'enum') return `must be one of ${JSON.stringify(params['allowedValues'])}`
  if (keyword === 'const') return `must be ${JSON.stringify(params['allowedValue'])}`
  if (keyword === 'pattern' && parentSchema?.description !== undefined)
    return `does not fit: ${parentSchema.description}`
  return message ?? 'does not fit'
}

/** What none of the branches of a choice took: the nearest mistake of each, in one sentence. */
function choiceDetail(choice: SchemaMistake, mistakes: readonly SchemaMistake[]): string {
  const byBranch = new Map<string, SchemaMistake>()
  for (const mistake of mistakes) {
    if (!mistake.schemaPath.startsWith(`${choice.schemaPath}/`)) continue
    const branch = mistake.schemaPath.slice(choice.schemaPath.length + 1).split('/')[0] ?? ''
    // A constant says more than its type does.
    if (!byBranch.has(branch) || mistake.keyword === 'const') byBranch.set(branch, mistake)
  }
  const details = [...byBranch.values()].map(detailOf)
  return details.map((detail, index) => (index === 0 ? detail : detail.replace(/^must be /, ''))).join(', or ')
}

/** Mistakes of a schema as pointers, one for each place that is wrong in one way. */
export function pointersOf(mistakes: readonly SchemaMistake[], context: string): readonly ProblemPointer[] {
  const choices = mistakes.filter(({ keyword }) => keyword === 'anyOf')
  const isInChoice = ({ schemaPath }: SchemaMistake): boolean =>
    choices.some((choice) => schemaPath.startsWith(`${choice.schemaPath}/`))
  return mistakes
    .filter((mistake) => mistake.keyword !== 'if' && mistake.keyword !== 'propertyNames' && !isInChoice(mistake))
    .map((mistake) => ({
      pointer: pointerOf(mistake, context),
      detail: mistake.keyword === 'anyOf' ? choiceDetail(mistake, mistakes) : detailOf(mistake),
    }))
}
