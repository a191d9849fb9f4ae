// What goes wrong while a request is answered, as problem details (RFC 9457). What is not expected is INTERNAL, and nothing
// of it is told but the code: the log has the rest.
import { codeOf, errorCatalogue } from '#libs/domain/errors'
import { redactText } from '#libs/runtime/redaction'
import type { Problem } from '#schemas/api/parts'
import { type ProblemCode, problemTable } from '#schemas/api/problems'

export const problemType = 'application/problem+json; charset=utf-8'

export interface ProblemPointer {
  readonly pointer: string
  readonly detail: string
}

interface ProblemParts {
  readonly detail?: string
  readonly state?: string
  readonly errors?: readonly ProblemPointer[]
  readonly headers?: Readonly<Record<string, string>>
}

/** Ends a request. Whatever is told of it is made for the client: no secret, no path of the machine. */
export class ApiProblem extends Error {
  readonly code: ProblemCode
  readonly parts: ProblemParts

  constructor(code: ProblemCode, parts: ProblemParts = {}, options: ErrorOptions = {}) {
    super(`${code}: ${problemTable[code].title}`, options)
    this.name = 'ApiProblem'
    this.code = code
    this.parts = parts
  }
}

const errorsMax = 20

export function problemBody(code: ProblemCode, { detail, state, errors }: ProblemParts = {}): Problem {
  const { status, title } = problemTable[code]
  return {
    type: `about:blank#${code}`,
    title,
    status,
    detail: redactText(detail ?? title),
    code,
    ...(state === undefined ? {} : { state }),
    ...(errors === undefined ? {} : { errors: errors.slice(0, errorsMax).map((error) => ({ ...error })) }),
  }
}

/** What ajv says of one mistake. */
interface SchemaMistake {
  readonly instancePath: string
  readonly keyword: string
  readonly message?: string
  readonly params: Readonly<Record<string, unknown>>
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

function detailOf({ keyword, message, params }: SchemaMistake): string {
  if (keyword === 'additionalProperties') return 'is not known here'
  if (keyword === 'required') return 'is missing'
  if (keyword === 'enum') return `must be one of ${JSON.stringify(params['allowedValues'])}`
  return message ?? 'does not fit'
}

/** Mistakes of a schema as pointers; the mistakes inside the branches of a choice are left out. */
function pointersOf(mistakes: readonly SchemaMistake[], context: string): readonly ProblemPointer[] {
  const told = mistakes.filter(({ keyword }) => keyword !== 'if' && keyword !== 'propertyNames')
  return told.map((mistake) => ({ pointer: pointerOf(mistake, context), detail: detailOf(mistake) }))
}

const codesOfFastify: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MEDIA_TYPE_UNSUPPORTED',
  FST_ERR_CTP_EMPTY_TYPE: 'MEDIA_TYPE_UNSUPPORTED',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'JSON_INVALID',
  FST_ERR_CTP_INVALID_JSON_BODY: 'JSON_INVALID',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'JSON_INVALID',
  FST_ERR_BAD_URL: 'REQUEST_INVALID',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
  FST_ERR_ROUTE_METHOD_NOT_SUPPORTED: 'METHOD_NOT_ALLOWED',
}

/** Codes of the catalogue that say that the log is the reason, and that it may work again. */
const logCodes = new Set(['LOG_UNREACHABLE', 'LOG_FULL', 'LOG_DENIED', 'LOG_WRITE_ERROR', 'STORE_FULL'])

interface FrameworkError {
  readonly code?: unknown
  readonly statusCode?: unknown
  readonly validation?: readonly SchemaMistake[]
  readonly validationContext?: string
}

/** The problem that anything thrown is told as. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  const { code, statusCode, validation, validationContext } = (typeof error === 'object' ? error : {}) as FrameworkError
  if (validation !== undefined) {
    return new ApiProblem('REQUEST_INVALID', { errors: pointersOf(validation, validationContext ?? 'body') })
  }
  const known = typeof code === 'string' ? codesOfFastify[code] : undefined
  if (known !== undefined) return new ApiProblem(known, {}, { cause: error })
  const ours = codeOf(error)
  if (logCodes.has(ours)) {
    const headers = { 'retry-after': '5' }
    return new ApiProblem('LOG_UNAVAILABLE', { detail: errorCatalogue[ours].help, headers }, { cause: error })
  }
  // What the framework refuses for a reason that has no name here is the request's fault all the same.
  const isRefusal = typeof code === 'string' && code.startsWith('FST_') && Number(statusCode) < 500
  return new ApiProblem(isRefusal ? 'REQUEST_INVALID' : 'INTERNAL', {}, { cause: error })
}
