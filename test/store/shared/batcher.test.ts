import { expect, test } from 'vitest'
import { GatewayError } from '../../../src/domain/errors.ts'
import { Batcher, type BatcherOptions, type Reply } from '../../../src/store/shared/batcher.ts'
import { createFakeClock } from '../../fake-clock.ts'

const ok = (calls: readonly string[]): Reply<string>[] => calls.map((call) => ({ ok: true, value: call }))

/** A batcher whose batches are answered when the test says so. */
function rig(options: Partial<BatcherOptions<string, string>> = {}) {
  const clock = createFakeClock()
  const batches: { calls: string[]; answer: (replies: Reply<string>[]) => void; fail: (error: Error) => void }[] = []
  const batcher = new Batcher<string, string>({
    run: (calls) => new Promise((answer, fail) => batches.push({ calls, answer, fail })),
    refusalOf: (cause) => new GatewayError('internal', { cause }),
    waitingMax: 100,
    timeoutMs: 1_000,
    batchesInFlight: 1,
    batchMax: 10,
    writes: true,
    clock,
    ...options,
  })
  const results: string[] = []
  const ask = (call: string) =>
    void batcher.call(call).then(
      (value) => results.push(`${call}: ${value}`),
      (error: Error) => results.push(`${call}: ${describe(error)}`),
    )
  return { clock, batches, batcher, results, ask }
}

const describe = (error: Error): string =>
  error instanceof GatewayError
    ? `${error.code}${error.message.includes('the outcome is unknown') ? ', unknown' : ''}`
    : String(error)

test('what is asked for while a batch is on its way becomes the next one', async () => {
  const { clock, batches, results, ask } = rig()
  ask('a')
  ask('b')
  await clock.settle()
  ask('c')
  ask('d')
  await clock.settle()
  expect(batches.map(({ calls }) => calls)).toEqual([['a', 'b']])
  batches[0]!.answer(ok(['A', 'B']))
  await clock.settle()
  expect(batches.map(({ calls }) => calls)).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
  expect(results).toEqual(['a: A', 'b: B'])
})

test('what waits for too long is refused and never carried out', async () => {
  const { clock, batches, batcher, results, ask } = rig({ weigh: () => 5 })
  ask('on its way')
  await clock.settle()
  ask('waits')
  await clock.advance(2_000)
  expect(results).toEqual(['on its way: store_unavailable, unknown', 'waits: store_unavailable'])
  expect(batcher.load).toEqual({ calls: 1, weight: 5 })
  batches[0]!.answer(ok(['done']))
  await clock.settle()
  expect(batches.map(({ calls }) => calls)).toEqual([['on its way']])
  expect(batcher.load).toEqual({ calls: 0, weight: 0 })
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
})

test('of a read that takes too long the outcome is not called unknown', async () => {
  const { clock, results, ask } = rig({ writes: false })
  ask('read')
  await clock.advance(2_000)
  expect(results).toEqual(['read: store_unavailable'])
})

test('more than may wait is refused as overloaded, counted in calls', async () => {
  const { clock, batches, results, ask } = rig({ waitingMax: 2 })
  for (const call of ['a', 'b', 'c']) ask(call)
  await clock.settle()
  expect(results).toEqual(['c: overloaded'])
  expect(batches.map(({ calls }) => calls)).toEqual([['a', 'b']])
})

test('more than may wait is refused as overloaded, weighed; what weighs nothing is taken all the same', async () => {
  const { clock, batches, results, ask } = rig({ weigh: (call) => call.length, waitingWeightMax: 4 })
  for (const call of ['aaaaaa', 'b', '']) ask(call)
  await clock.settle()
  expect(results).toEqual(['b: overloaded'])
  expect(batches.map(({ calls }) => calls)).toEqual([['aaaaaa', '']])
})

test('a batch holds so many calls and so much weight', async () => {
  const { clock, batches, ask } = rig({ batchMax: 3, batchesInFlight: 5, weigh: (call) => call.length, weightMax: 6 })
  for (const call of ['aa', 'bb', 'cc', 'dddd', 'eee', 'ffffffffff']) ask(call)
  await clock.settle()
  expect(batches.map(({ calls }) => calls)).toEqual([['aa', 'bb', 'cc'], ['dddd'], ['eee'], ['ffffffffff']])
})

test('closing waits for what was asked for, without spinning, and refuses what comes later', async () => {
  const { clock, batches, batcher, results, ask } = rig()
  ask('a')
  await clock.settle()
  ask('b')
  let isClosed = false
  void batcher.close().then(() => (isClosed = true))
  ask('late')
  await clock.settle()
  expect(isClosed).toBe(false)
  batches[0]!.answer(ok(['A']))
  await clock.settle()
  expect(isClosed).toBe(false)
  batches[1]!.answer(ok(['B']))
  await clock.settle()
  expect(isClosed).toBe(true)
  expect(results.toSorted()).toEqual(['a: A', 'b: B', 'late: shutting_down'])
  expect(clock.timers).toBe(0)
})

test('closing ends after ten seconds, whatever is still on its way', async () => {
  const { clock, batcher, ask } = rig({ timeoutMs: 60_000 })
  ask('a')
  await clock.settle()
  let isClosed = false
  void batcher.close().then(() => (isClosed = true))
  await clock.advance(9_900)
  expect(isClosed).toBe(false)
  await clock.advance(200)
  expect(isClosed).toBe(true)
})

test('when what carries the batches out is gone, everything is refused, and what was on its way as unknown', async () => {
  const { clock, batches, batcher, results, ask } = rig()
  ask('on its way')
  await clock.settle()
  ask('waits')
  batcher.abandon(new Error('it died'))
  ask('later')
  await clock.settle()
  expect(results.toSorted()).toEqual([
    'later: shutting_down',
    'on its way: store_unavailable, unknown',
    'waits: store_unavailable',
  ])
  batches[0]!.answer(ok(['too late']))
  await clock.settle()
  expect(batches).toHaveLength(1)
  expect(batcher.load).toEqual({ calls: 0, weight: 0 })
  expect(clock.timers).toBe(0)
})

test('a rejection is the answer to the whole batch, and a missing reply is a fault of the store', async () => {
  const { clock, batches, results, ask } = rig()
  ask('a')
  ask('b')
  await clock.settle()
  batches[0]!.fail(new Error('no'))
  await clock.settle()
  ask('c')
  await clock.settle()
  batches[1]!.answer([])
  await clock.settle()
  expect(results).toEqual(['a: internal', 'b: internal', 'c: internal'])
})
