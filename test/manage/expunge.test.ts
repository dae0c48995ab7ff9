import { expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { expunge } from '../../src/manage/expunge.ts'
import { APP } from '../conformance/builders.ts'
import { createFakeClock } from '../fake-clock.ts'

function expunging(heldBy: string[] | null) {
  const clock = createFakeClock()
  const world = { clock, holders: heldBy ?? [], isAway: false, discarded: [] as string[], answer: null as unknown }
  const context = {
    clock,
    handoff: { owner: 'node_own' },
    discard: (id: string) => void world.discarded.push(id),
    store: {
      expungeMessage: () => Promise.resolve(heldBy === null ? null : { heldBy }),
      holdersOf: () => (world.isAway ? Promise.reject(new Error('away')) : Promise.resolve(world.holders)),
      recentlyExpunged: () => Promise.resolve([]),
    },
  }
  void expunge(context, APP, 'msg_1').then((answer) => (world.answer = answer))
  return world
}

test.each([
  ['that nobody holds', []],
  ['that only this node holds', ['node_own']],
])('a message %s is answered at once, and given up in this node’s memory', async (_, heldBy) => {
  const world = expunging(heldBy)
  await world.clock.settle()
  expect(world).toMatchObject({ answer: true, discarded: ['msg_1'] })
})

test('a message that there is not is answered as such', async () => {
  const world = expunging(null)
  await world.clock.settle()
  expect(world).toMatchObject({ answer: false, discarded: [] })
})

test('the answer waits until no other node holds the message', async () => {
  const world = expunging(['node_own', 'node_other'])
  await world.clock.advance(1_000)
  expect(world.answer).toBeNull()
  world.holders = ['node_own']
  await world.clock.advance(100)
  expect(world.answer).toBe(true)
})

test.each([false, true])(
  'it waits no longer than until every node must know; the store is away: %s',
  async (isAway) => {
    const world = expunging(['node_other'])
    world.isAway = isAway
    await world.clock.advance(LIMITS.expungedUnseenMs)
    expect(world.answer).toBeNull()
    await world.clock.advance(500)
    expect(world.answer).toBe(true)
  },
)
