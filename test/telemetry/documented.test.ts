import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Metric, METRICS, REDIS_METRICS } from '../../src/telemetry/metrics.ts'

const METRIC_LIST: readonly Metric[] = Object.values({ ...METRICS, ...REDIS_METRICS })

/** Everything in backticks. */
const quoted = (cell: string): string[] => Array.from(cell.matchAll(/`([^`]+)`/g), ([, text = '']) => text)

const root = join(import.meta.dirname, '../..')
const pages = globSync('{*,docs/*}.md', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'))
/** The rows of the one table with this head, wherever it is: names, and what is said of their labels. */
const rows = pages
  .flatMap((page) => [...page.matchAll(/^\| metric \| labels \|.*\n\|[-|\s]+\n((?:\|.*\n)+)/gm)])
  .flatMap(([, body = '']) => body.trimEnd().split('\n'))
  .map((row) => row.split('|').map((cell) => cell.trim()))
  .map(([, names = '', labels = '']) => ({ names: quoted(names), labels: quoted(labels) }))
  .filter(({ names }) => !names.includes('process_*'))

describe('the documented table of metrics', () => {
  test('has each metric once, and no other', () => {
    const documented = rows.flatMap(({ names }) => names)
    expect(documented.toSorted()).toEqual(METRIC_LIST.map(({ name }) => name).toSorted())
  })

  test.each(rows)('gives the labels of $names, with the values of those that are listed', ({ names, labels }) => {
    const meant = METRIC_LIST.filter(({ name }) => names.includes(name)).flatMap((metric) =>
      Object.entries(metric.labels).flatMap(([label, values]) => [label, ...(Array.isArray(values) ? values : [])]),
    )
    expect(labels.toSorted()).toEqual([...new Set<string>(meant)].toSorted())
  })
})

describe('the metrics', () => {
  test('have no id among their labels', () => {
    const labels = METRIC_LIST.flatMap((metric) => Object.keys(metric.labels))
    expect(labels.filter((label) => /(^|_)id$|uid|message|endpoint|application|url|host/i.test(label))).toEqual([])
  })

  test('that count say so in their names, and the others do not', () => {
    expect(METRIC_LIST.filter(({ kind, name }) => (kind === 'counter') !== name.endsWith('_total'))).toEqual([])
  })
})
