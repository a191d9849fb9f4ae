import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startApiWorld } from '#test/support/api-world'

const docs = join(import.meta.dirname, '../../../docs')
const read = (name: string): string => readFileSync(join(docs, name), 'utf8')
const namesIn = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/\bwaybill_[a-z_]+\b/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, '')))

test('dashboard, alert rules and docs/api.md name the metrics that are served, and the page names all of them', async () => {
  const world = await startApiWorld()
  try {
    await world.call('/livez')
    const body = { source_path: '@disk/a', target_path: '@vault/a', job_id: 'known', throughput_limit_gb_per_hour: 1 }
    await world.call('/migrations', { method: 'POST', body })
    const { text } = await world.call('/metrics')
    const served = new Set([...text.matchAll(/^# TYPE (waybill_\w+)/gm)].map((match) => match[1] ?? ''))
    // A code is counted once something failed.
    served.add('waybill_retries_total')
    const panels = JSON.parse(read('grafana.json')).panels as readonly { targets: readonly { expr: string }[] }[]
    const shown = namesIn(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(' '))
    for (const name of [...shown, ...namesIn(read('alerts.yml'))]) assert.ok(served.has(name), name)
    const page = namesIn(read('api.md'))
    for (const name of served) assert.ok(page.has(name), `docs/api.md lacks ${name}`)
  } finally {
    await world.close()
  }
})

test('an alert names no label that its expression has summed away', () => {
  const rules = read('alerts.yml').split('- alert: ').slice(1)
  assert.ok(rules.length > 5)
  for (const rule of rules) {
    const expression = /expr: (.*)/.exec(rule)?.[1] ?? ''
    const isSummed = /\b(max|sum|min|avg)\b/.test(expression)
    for (const [, label] of rule.matchAll(/\$labels\.(\w+)/g))
      assert.ok(!isSummed || expression.includes(`by (${label})`), `${rule.split('\n')[0]}: ${label}`)
  }
})
