// GET /docs: the description as one page of plain HTML, made on the server: no script, nothing loaded from elsewhere.
import type { TSchema } from 'typebox'
import { problemTable } from '#schemas/api/problems'
import { type Route, routeTable } from '#schemas/api/routes'

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const html = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? '')

interface Shape {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Shape[]
  readonly items?: Shape
  readonly properties?: Readonly<Record<string, Shape>>
  readonly required?: readonly string[]
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly pattern?: string
}

function kindOf(shape: Shape): string {
  if (shape.enum !== undefined) return shape.enum.map((word) => String(word)).join(' | ')
  if (shape.const !== undefined) return JSON.stringify(shape.const)
  if (shape.anyOf !== undefined) return shape.anyOf.map(kindOf).join(' | ')
  if (shape.items !== undefined) return `list of ${kindOf(shape.items)}`
  return [shape.type ?? 'any'].flat().join(' | ')
}

function boundsOf({ minimum, maximum, maxLength, pattern }: Shape): string {
  const bounds = [
    minimum === undefined ? '' : `from ${minimum}`,
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : `to ${maximum}`,
    maxLength === undefined ? '' : `at most ${maxLength} characters`,
    pattern === undefined ? '' : `matching ${pattern}`,
  ]
  return bounds.filter((text) => text !== '').join(', ')
}

function rows(shape: Shape, place: string, depth = 0): string {
  if (depth > 4) return ''
  return Object.entries(shape.properties ?? {})
    .map(([name, each]) => {
      const isNeeded = shape.required?.includes(name) === true
      const below = each.properties === undefined ? (each.items ?? {}) : each
      const label = `${place}${name}`
      const row = `<tr><td><code>${html(label)}</code>${isNeeded ? '' : ' <i>optional</i>'}</td><td>${html(kindOf(each))}</td><td>${html([each.description ?? '', boundsOf(each)].filter((text) => text !== '').join('; '))}</td></tr>`
      return row + rows(below, `${label}${each.items === undefined ? '' : '[]'}.`, depth + 1)
    })
    .join('\n')
}

function table(title: string, schema: TSchema | null | undefined): string {
  const shape = (schema ?? {}) as Shape
  if (Object.keys(shape.properties ?? {}).length === 0) return ''
  return `<h3>${html(title)}</h3><table><tr><th>field</th><th>kind</th><th>meaning</th></tr>${rows(shape, '')}</table>`
}

function section(name: string, route: Route): string {
  const { method, path, scope, summary, answers, problems } = route
  const good = Object.entries(answers).map(([status, answer]) => table(`answer ${status}`, answer.schema))
  const bad = Object.entries(problemTable)
    .filter(([, kind]) => problems.includes(kind.status))
    .map(([code, kind]) => `${code} (${kind.status})`)
  return `<section id="${html(name)}"><h2><code>${method} ${html(path)}</code></h2><p>${html(summary)}.</p>
<p>Scope: ${scope ?? 'none, open to all'}.${bad.length === 0 ? '' : ` Problems of its own: ${html(bad.join(', '))}.`}</p>
${table('in the path', route.params)}${table('in the query', route.query)}${table('headers', route.headers)}${table('body', route.body)}${good.join('')}</section>`
}

export const pageStyle =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}' +
  'h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.5rem;border-top:1px solid #d0d7de;padding-top:1rem}h3{font-size:1rem}' +
  'table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{border:1px solid #d0d7de;padding:.3rem .5rem;text-align:left;vertical-align:top}' +
  'code{font-family:ui-monospace,monospace}nav li{margin:.15rem 0}'

/** The page; the same every time. */
export function docsPage(): string {
  const routes = Object.entries(routeTable) as readonly [string, Route][]
  const list = routes
    .map(
      ([name, { method, path, summary }]) =>
        `<li><a href="#${html(name)}"><code>${method} ${html(path)}</code></a> ${html(summary)}</li>`,
    )
    .join('\n')
  const problems = Object.entries(problemTable)
    .map(
      ([code, { status, title, help }]) =>
        `<tr id="${code}"><td>${status}</td><td><code>${code}</code></td><td>${html(title)} ${html(help)}</td></tr>`,
    )
    .join('\n')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>waybill API</title><meta name="viewport" content="width=device-width">
<style>${pageStyle}</style></head><body>
<h1>waybill API</h1>
<p>The same as a document for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<nav><ul>
${list}
</ul></nav>
${routes.map(([name, route]) => section(name, route)).join('\n')}
<section><h2>Problems</h2><p>Every error is <code>application/problem+json</code> (RFC 9457) with one of these codes.</p>
<table><tr><th>status</th><th>code</th><th>meaning</th></tr>
${problems}
</table></section>
</body></html>
`
}
