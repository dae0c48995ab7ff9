/** deploy/alerts.yml names metrics and values of labels: each has to exist, or its rule never fires. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Metric, METRICS, REDIS_METRICS } from '../../src/telemetry/metrics.ts'

const root = join(import.meta.dirname, '../..')
const rules = readFileSync(join(root, 'deploy/alerts.yml'), 'utf8').split('- alert: ').slice(1)
const metrics = new Map<string, Metric>(Object.values({ ...METRICS, ...REDIS_METRICS }).map((one) => [one.name, one]))

/** The selectors of an expression: `name{label="value"}`, of metrics that the gateway has. */
const selectors = (expression: string) =>
  [...expression.matchAll(/\b(hookferry_\w+|\w+_requests_total|request_latency_ms\w*)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', labels = '']) => ({
      name: name.replace(/_(bucket|sum|count)$/, ''),
      labels: Array.from(labels.matchAll(/(\w+)(=~|!=|=)"([^"]*)"/g), ([, label = '', , value = '']) => ({
        label,
        values: value.split('|'),
      })),
    }),
  )

/** What a selector names and no gateway shows. */
const unknown = ({ name, labels }: ReturnType<typeof selectors>[number]): string[] => {
  const metric = metrics.get(name)
  if (metric === undefined) return [name]
  return labels.flatMap(({ label, values }) => {
    const known = metric.labels[label]
    if (known === undefined) return [`${name}{${label}}`]
    return 'anyOf' in known ? [] : values.filter((value) => !known.includes(value))
  })
}

describe('the alert rules', () => {
  test('are there, each with an expression, a severity and a summary', () => {
    expect(rules.length).toBeGreaterThan(5)
    for (const rule of rules) {
      expect(rule).toMatch(/expr: \S/)
      expect(rule).toMatch(/severity: (page|ticket)/)
      expect(rule).toMatch(/summary: \S/)
    }
  })

  test.each(rules.map((rule) => [rule.split('\n', 1)[0] ?? '', rule]))(
    '%s asks for what a gateway shows',
    (_, rule) => {
      const [, expression = ''] = /expr: ([\s\S]*?)\n {8}\w+:/.exec(rule) ?? []
      const found = selectors(expression)
      expect(found.length > 0 || expression.startsWith('up{')).toBe(true)
      expect(found.flatMap(unknown)).toEqual([])
    },
  )
})
