import { afterAll, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/domain/delivery.ts'
import { storePool } from '../store/temp-store.ts'
import { createWorld, stored } from './world.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND

const pool = storePool()
afterAll(() => pool[Symbol.asyncDispose]())

const ok: Outcome = { kind: 'accepted', statusCode: 200, response: null }
const refusal = { kind: 'refused', statusCode: 500, response: null, error: 'refused' } as const
const failed: Outcome = { ...refusal, isOverload: false, retryAfterMs: null }
const busy: Outcome = { ...refusal, statusCode: 429, isOverload: true, retryAfterMs: SECOND }

describe('a clock that was an hour ahead and is put right', () => {
  test('leaves no pause behind: what comes for the endpoint afterwards is delivered within seconds', async () => {
    await using opened = await pool.open()
    const world = createWorld(opened.store, (_, attempt) => ({ outcome: attempt === 1 ? busy : ok, ms: 10 }))
    const node = world.node('node_a')
    const endpoint = await stored(world.store)
    world.clock.set(HOUR)
    const early = await node.accept([endpoint])
    await world.clock.advance(2 * SECOND)
    expect(await world.deliveries(early)).toMatchObject([{ state: 'pending', attempts: 1 }])

    world.clock.set(-HOUR)
    await world.clock.advance(2 * SECOND)
    const later = await node.accept([endpoint])
    await world.clock.advance(60 * SECOND)
    for (const id of [early, later]) expect(await world.deliveries(id)).toMatchObject([{ state: 'delivered' }])
    await node.stop()
  })

  test('leaves no retry behind: it is made when its wait is over', async () => {
    await using opened = await pool.open()
    const world = createWorld(opened.store, (_, attempt) => ({ outcome: attempt === 1 ? failed : ok, ms: 10 }))
    const node = world.node('node_a')
    const endpoint = await stored(world.store)
    world.clock.set(HOUR)
    const id = await node.accept([endpoint])
    await world.clock.advance(SECOND)
    world.clock.set(-HOUR)
    await world.clock.advance(8 * SECOND)
    expect(world.seen).toHaveLength(1)
    await world.clock.advance(3 * SECOND)
    expect(await world.deliveries(id)).toMatchObject([{ state: 'delivered', attempts: 2 }])
    await node.stop()
  })

  test('stops neither the claims nor the pace of a limited endpoint, and keeps what is under way leased', async () => {
    await using opened = await pool.open()
    let isHanging = true
    const world = createWorld(opened.store, () => (isHanging ? 'hang' : { outcome: ok, ms: 10 }))
    const node = world.node('node_a')
    const limited = await stored(world.store, { rateLimit: 1 })
    world.clock.set(HOUR)
    const held = await node.accept([limited])
    await world.clock.advance(SECOND)
    isHanging = false
    world.clock.set(-HOUR)
    const ids = [await node.accept([limited]), await node.accept([limited])]
    await world.clock.advance(10 * SECOND)
    for (const id of ids) expect(await world.deliveries(id)).toMatchObject([{ state: 'delivered' }])
    // Its lease is renewed until a minute from now, and not until an hour and a minute from now.
    await world.clock.advance(20 * SECOND)
    expect(await world.store.sweep(world.clock.now() + 70 * SECOND, 10)).toMatchObject({ expired: 1 })
    expect(await world.deliveries(held)).toMatchObject([{ attempts: 0 }])
    node.kill()
  })
})

test('a clock that is set forward, or back by a second, changes nothing', async () => {
  await using opened = await pool.open()
  const world = createWorld(opened.store, (_, attempt) => ({ outcome: attempt === 1 ? failed : ok, ms: 10 }))
  const node = world.node('node_a')
  const endpoint = await stored(world.store)
  const id = await node.accept([endpoint])
  await world.clock.advance(2 * SECOND)
  world.clock.set(-SECOND)
  await world.clock.advance(8 * SECOND)
  expect(await world.deliveries(id)).toMatchObject([{ state: 'pending', attempts: 1 }])
  await world.clock.advance(2 * SECOND)
  expect(await world.deliveries(id)).toMatchObject([{ state: 'delivered', attempts: 2 }])
  await node.stop()
})
