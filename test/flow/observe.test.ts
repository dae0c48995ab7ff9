import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/domain/errors.ts'
import { createObserver } from '../../src/flow/observe.ts'
import { createLog } from '../../src/lib/log.ts'

test('a store that is away for a minute is said a few times with how often, counted always, and said to work again', async () => {
  const lines: Record<string, unknown>[] = []
  const sink = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
  const registry = new Registry()
  let now = 0
  const observer = createObserver(createLog('INFO', sink).log, registry, () => now)
  const error = new GatewayError('store_unavailable', { cause: new Error('no space') })
  for (; now < 60_000; now += 100) observer.storeTrouble({ doing: 'record an attempt', error })
  const troubles = lines.filter((line) => line['msg'] === 'the store is in trouble')
  expect(troubles.map((line) => line['unsaid'])).toEqual([undefined, 99, 99, 99, 99, 99])
  expect(troubles[0]).toMatchObject({ level: 'ERROR', error: expect.stringContaining('no space') })
  expect(await registry.getSingleMetricAsString('hookferry_store_errors_total')).toContain(' 600')

  observer.storeWorks()
  now += 10_000
  observer.accepted({ duplicate: false, deliveries: 1 })
  observer.accepted({ duplicate: false, deliveries: 1 })
  expect(lines.slice(troubles.length)).toEqual([
    expect.objectContaining({ level: 'WARN', msg: 'the store works again', count: 600, for_ms: 59_900 }),
  ])
})
