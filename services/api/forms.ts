// Which form of an answer is wanted (RFC 9110, section 12.5.1): the first of those offered that the client weighs highest.
import { ApiProblem } from './problems.ts'

interface Range {
  readonly type: string
  readonly weight: number
}

const rangesMax = 20

function rangesOf(header: string): readonly Range[] {
  return header
    .slice(0, 1000)
    .split(',')
    .slice(0, rangesMax)
    .map((part) => {
      const [type = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase())
      const weight = parameters.find((word) => word.startsWith('q='))?.slice(2)
      return { type, weight: weight === undefined ? 1 : Number(weight) }
    })
    .filter(({ type, weight }) => type !== '' && weight > 0 && weight <= 1)
}

/** How well a form fits: the most exact range counts. */
function weightOf(form: string, ranges: readonly Range[]): number {
  const exact = ranges.find(({ type }) => type === form)
  const group = ranges.find(({ type }) => type === `${form.split('/')[0]}/*`)
  return (exact ?? group ?? ranges.find(({ type }) => type === '*/*'))?.weight ?? 0
}

/** Throws NOT_ACCEPTABLE. Without a header the first form is given. */
export function accepts<F extends string>(header: string | undefined, forms: readonly [F, ...F[]]): F {
  if (header === undefined || header.trim() === '') return forms[0]
  const ranges = rangesOf(header)
  const [best] = forms.map((form) => ({ form, weight: weightOf(form, ranges) })).sort((a, b) => b.weight - a.weight)
  if (best !== undefined && best.weight > 0) return best.form
  throw new ApiProblem('NOT_ACCEPTABLE', { detail: `it can be had as ${forms.join(', ')}` })
}
