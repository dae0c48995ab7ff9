import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { storeProblem } from '../../src/http/readiness.ts'
import { createFakeClock } from '../fake-clock.ts'
import { eventually, startGateway } from './gateway.ts'

test('while nothing can be committed the gateway is live and not ready, and afterwards it is ready again', async () => {
  await using gateway = await startGateway()
  const read = async (path: string) => {
    const { status, text } = await gateway.send(path)
    return { status, text }
  }
  {
    using other = new DatabaseSync(gateway.databasePath)
    other.exec('BEGIN IMMEDIATE')
    expect(await read('/health/ready')).toEqual({
      status: 503,
      text: expect.stringContaining('has not committed anything for 3 s'),
    })
    expect(await read('/api/v1/health')).toMatchObject({ status: 500 })
    expect(await read('/health/live')).toMatchObject({ status: 200 })
    other.exec('COMMIT')
  }
  await eventually(async () => (await read('/health/ready')).status === 200)
  expect(await read('/api/v1/health')).toMatchObject({ status: 204 })
})

test('however many probes ask, one commit is made in a second, and all get its result', async () => {
  const clock = createFakeClock()
  const asked: ((problem: string | null) => void)[] = []
  const problem = storeProblem({ problem: () => new Promise((resolve) => void asked.push(resolve)) }, clock)
  const early = Array.from({ length: 100 }, () => problem())
  asked[0]!('no space')
  expect(new Set(await Promise.all(early))).toEqual(new Set(['no space']))
  expect(await problem()).toBe('no space')
  expect(asked).toHaveLength(1)
  await clock.advance(1_000)
  const later = problem()
  asked[1]!(null)
  expect(await later).toBeNull()
  expect(asked).toHaveLength(2)
  expect(clock.timers).toBe(0)
})

test('a store that neither commits nor refuses is a problem after three seconds', async () => {
  const clock = createFakeClock()
  const problem = storeProblem({ problem: () => new Promise(() => {}) }, clock)
  const answer = problem()
  await clock.advance(3_000)
  expect(await answer).toBe('the store has not committed anything for 3 s')
})
