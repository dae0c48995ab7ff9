import { describe, expect, test } from 'vitest'
import type { MessageId } from '../../src/domain/ids.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { runServices } from '../../src/services/service.ts'
import { createRig } from './rig.ts'

/** The store's list, which the test writes; it can be away. */
function listOf() {
  const list = { ids: [] as MessageId[], isAway: false, asked: [] as number[] }
  return Object.assign(list, {
    recent: async (withinMs: number): Promise<MessageId[]> => {
      list.asked.push(withinMs)
      if (list.isAway) throw new Error('the store is away')
      return list.ids
    },
  })
}

function rigWith(list: ReturnType<typeof listOf>) {
  const rig = createRig({ endpointConcurrency: 1, recentlyExpunged: list.recent })
  rig.endpoint('slow')
  const running = runServices([rig.expunged.service], rig.clock, () => {})
  return { ...rig, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

const idsOf = (some: readonly { delivery: { msgId: string } }[]) => some.map(({ delivery }) => delivery.msgId)

describe('a message that was expunged', () => {
  test('is put back from memory when this node is told, and what else waits goes on', async () => {
    await using rig = rigWith(listOf())
    for (let i = 0; i < 3; i++) rig.accept('slow')
    await rig.clock.settle()
    rig.expunged.note(['msg_2'])
    await rig.clock.settle()
    expect(rig.queue.released.map(({ keys }) => keys.map(({ msgId }) => msgId))).toEqual([['msg_2']])
    rig.attempts[0]!.end()
    await rig.clock.settle()
    expect(idsOf(rig.attempts)).toEqual(['msg_1', 'msg_3'])
  })

  test('is found in the store’s list by a node that was not told', async () => {
    const list = listOf()
    await using rig = rigWith(list)
    for (let i = 0; i < 3; i++) rig.accept('slow')
    await rig.clock.settle()
    list.ids = ['msg_2']
    await rig.clock.advance(LIMITS.expungedPollMs + 100)
    rig.attempts[0]!.end()
    await rig.clock.settle()
    expect(idsOf(rig.attempts)).toEqual(['msg_1', 'msg_3'])
  })

  test('is not started either when it comes from a claim that read it before', async () => {
    const list = listOf()
    await using rig = rigWith(list)
    const late = rig.delivery('slow')
    rig.expunged.note([late.msgId])
    let answer = (): void => {}
    rig.queue.onClaim = () =>
      new Promise((resolve) => (answer = () => resolve({ deliveries: [late], nextDueAt: null })))
    rig.run()
    await rig.clock.settle()
    rig.queue.onClaim = () => Promise.resolve({ deliveries: [], nextDueAt: null })
    answer()
    await rig.clock.settle()
    expect(rig.attempts).toEqual([])
    expect(rig.queue.released).toMatchObject([{ keys: [{ msgId: late.msgId }] }])
    await rig.stop()
  })

  test('among more than can be remembered takes everything that waits back to the store', async () => {
    await using rig = rigWith(listOf())
    for (let i = 0; i < 3; i++) rig.accept('slow')
    await rig.clock.settle()
    rig.expunged.note(Array.from({ length: LIMITS.expungedRememberedMax + 1 }, (_, i): MessageId => `msg_x${i}`))
    await rig.clock.settle()
    expect(rig.queue.released).toMatchObject([{ keys: [{ msgId: 'msg_2' }, { msgId: 'msg_3' }] }])
    expect(rig.dispatcher.inMemory).toBe(1)
  })
})

test('a node that cannot ask starts nothing after a while, and goes on once it has asked', async () => {
  const list = listOf()
  await using rig = rigWith(list)
  for (let i = 0; i < 4; i++) rig.accept('slow')
  await rig.clock.settle()
  list.isAway = true
  await rig.clock.advance(LIMITS.expungedUnseenMs - 100)
  rig.attempts[0]!.end()
  await rig.clock.settle()
  expect(rig.attempts).toHaveLength(2)
  await rig.clock.advance(200)
  rig.attempts[1]!.end()
  await rig.clock.advance(30_000)
  expect(rig.attempts).toHaveLength(2)
  // Nobody is told of the same trouble by each lane.
  expect(rig.troubles).toEqual([])

  list.ids = ['msg_3']
  list.isAway = false
  await rig.clock.advance(2 * LIMITS.expungedPollMs)
  expect(idsOf(rig.attempts)).toEqual(['msg_1', 'msg_2', 'msg_4'])
  // It reached back behind the time at which it last knew.
  expect(Math.max(...list.asked)).toBeGreaterThan(30_000 + 60_000)
})

test('a node that is alone asks nobody', async () => {
  const rig = createRig({ endpointConcurrency: 1 })
  rig.endpoint('slow')
  rig.accept('slow')
  await rig.clock.advance(100_000)
  rig.attempts[0]!.end()
  rig.accept('slow')
  await rig.clock.settle()
  expect(rig.attempts).toHaveLength(2)
})
