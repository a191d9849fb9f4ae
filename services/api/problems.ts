// What goes wrong while a request is answered, as problem details (RFC 9457). What is not expected is INTERNAL, and nothing
// of it is told but the code: the log has the rest.
import { codeOf, errorCatalogue } from '#libs/domain/errors'
import { redactText } from '#libs/runtime/redaction'
import type { Problem } from '#schemas/api/parts'
import { type ProblemCode, problemTable } from '#schemas/api/problems'
import { pointersOf, type SchemaMistake } from './schema-mistakes.ts'

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

/** Where a code is explained: a row of the page that this API serves, so it leads there offline too. */
const typeOf = (code: ProblemCode): string => `/docs#${code}`

/** All mistakes of a request in one sentence, for clients that show nothing but `detail`. */
const inOneSentence = (errors: readonly ProblemPointer[]): string =>
  errors.map(({ pointer, detail }) => (pointer === '' ? `the body ${detail}` : `${pointer} ${detail}`)).join('; ')

export function problemBody(code: ProblemCode, { detail, state, errors = [] }: ProblemParts = {}): Problem {
  const { status, title, help } = problemTable[code]
  const told = errors.slice(0, errorsMax)
  return {
    type: typeOf(code),
    title,
    status,
    detail: redactText(detail ?? (told.length === 0 ? help : inOneSentence(told))),
    code,
    ...(state === undefined ? {} : { state }),
    ...(told.length === 0 ? {} : { errors: told.map((error) => ({ ...error })) }),
  }
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
