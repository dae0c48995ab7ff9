import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { Lane, laneCapacity, type Rank, rankOf } from '../../src/services/lane.ts'
import { mayStart, Turns } from '../../src/services/turns.ts'
import { createRig } from './rig.ts'

const rig = createRig()

const laneOf = (id: string) => new Lane('app_test', `ep_${id}`)

describe('a lane', () => {
  test('gives first attempts first, oldest first', () => {
    const lane = laneOf('a')
    const [r1, f1, r2, f2] = [1, 0, 2, 0].map((tries) => rig.delivery('a', { tries }))
    for (const one of [r1!, f1!, r2!, f2!]) lane.push(one)
    expect([1, 2, 3, 4, 5].map(() => lane.shift())).toEqual([f1, f2, r1, r2, undefined])
  })

  test('gives a retry every eighth time while first attempts wait', () => {
    const lane = laneOf('a')
    for (let i = 0; i < 30; i++) lane.push(rig.delivery('a'))
    for (let i = 0; i < 3; i++) lane.push(rig.delivery('a', { tries: 1 }))
    const tries = Array.from({ length: 33 }, () => lane.shift()!.tries)
    expect(tries.join('')).toBe('000000010000000100000001000000000')
  })

  test('counts what waits, what is under way and what is promised', () => {
    const lane = laneOf('a')
    lane.push(rig.delivery('a'))
    lane.push(rig.delivery('a', { tries: 1 }))
    lane.reserved = 3
    lane.unrecorded = 4
    lane.inFlight = 2
    expect([lane.waiting, lane.size]).toEqual([2, 9])
    expect(lane.drain()).toHaveLength(2)
    expect([lane.waiting, lane.size]).toEqual([0, 7])
  })

  test.each([
    [null, LIMITS.deliveriesInMemoryPerEndpoint],
    [1, 5],
    [50, 250],
    [204, 1_020],
    [205, LIMITS.deliveriesInMemoryPerEndpoint],
    [5_000, LIMITS.deliveriesInMemoryPerEndpoint],
  ])('with a rate limit of %s per second holds at most %i', (rateLimit, capacity) => {
    expect(laneCapacity(rateLimit)).toBe(capacity)
  })
})

const node = { concurrency: 512, lanes: 8 }

describe('the rank of an attempt', () => {
  test.each<[string, { isSuspect: boolean | null; hasFirsts: boolean; inFlight: number }, number, Rank]>([
    ['the first of an idle lane', { isSuspect: null, hasFirsts: true, inFlight: 0 }, 8, 'first'],
    ['below half of its share', { isSuspect: false, hasFirsts: true, inFlight: 31 }, 8, 'first'],
    ['at half of its share', { isSuspect: false, hasFirsts: true, inFlight: 32 }, 8, 'more'],
    ['alone, below half of the node', { isSuspect: false, hasFirsts: true, inFlight: 255 }, 1, 'first'],
    ['one of more lanes than slots', { isSuspect: false, hasFirsts: true, inFlight: 0 }, 9_999, 'first'],
    ['the second one there', { isSuspect: false, hasFirsts: true, inFlight: 1 }, 9_999, 'more'],
    ['a retry', { isSuspect: false, hasFirsts: false, inFlight: 0 }, 8, 'retry'],
    ['without an answer the last time', { isSuspect: true, hasFirsts: true, inFlight: 0 }, 8, 'suspect'],
    ['a retry without an answer the last time', { isSuspect: true, hasFirsts: false, inFlight: 0 }, 8, 'suspect'],
  ])('%s', (_, lane, lanes, rank) => {
    expect(rankOf(lane, { concurrency: 512, lanes })).toBe(rank)
  })
})

describe('an attempt may start', () => {
  test.each<[Rank, number, number, boolean]>([
    ['first', 511, 511, true],
    ['first', 512, 0, false],
    ['more', 383, 383, true],
    ['more', 384, 0, false],
    ['retry', 383, 383, true],
    ['retry', 384, 32, false],
    ['retry', 511, 31, true],
    ['retry', 512, 0, false],
    ['suspect', 255, 255, true],
    ['suspect', 256, 32, false],
    ['suspect', 511, 31, true],
    ['suspect', 512, 0, false],
  ])('as %s with %i in flight, %i of them of its rank: %s', (rank, inFlight, ofRank, expected) => {
    expect(mayStart(rank, { inFlight, ofRank }, node)).toBe(expected)
  })

  test('in all of the node when its endpoint is alone, unless that gives no answer', () => {
    const alone = { concurrency: 512, lanes: 1 }
    const counts = { inFlight: 511, ofRank: 511 }
    expect((['first', 'more', 'retry', 'suspect'] as const).map((rank) => mayStart(rank, counts, alone))).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  const anyNode = fc.record({
    concurrency: fc.integer({ min: 1, max: 10_000 }),
    lanes: fc.integer({ min: 1, max: 10_000 }),
  })

  test('in any idle node, and in none that is full', () => {
    fc.assert(
      fc.property(anyNode, fc.constantFrom<Rank>('first', 'more', 'retry', 'suspect'), (any, rank) => {
        expect(mayStart(rank, { inFlight: 0, ofRank: 0 }, any)).toBe(true)
        expect(mayStart(rank, { inFlight: any.concurrency, ofRank: 0 }, any)).toBe(false)
      }),
    )
  })

  test('whenever there is a slot, to an endpoint with nothing in flight that is not known to hang', () => {
    fc.assert(
      fc.property(anyNode, fc.nat(), (any, n) => {
        const rank = rankOf({ isSuspect: false, hasFirsts: true, inFlight: 0 }, any)
        const inFlight = n % any.concurrency
        expect(mayStart(rank, { inFlight, ofRank: inFlight }, any)).toBe(true)
      }),
    )
  })

  test('such that whatever else is under way leaves an eighth of a node of sixteen and more to those', () => {
    const others = fc.array(fc.constantFrom<Rank>('more', 'retry', 'suspect'), { maxLength: 3_000 })
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 1_000 }), others, (concurrency, wanted) => {
        const counts = { first: 0, more: 0, retry: 0, suspect: 0 }
        let inFlight = 0
        for (const rank of wanted) {
          if (!mayStart(rank, { inFlight, ofRank: counts[rank] }, { concurrency, lanes: 100 })) continue
          counts[rank]++
          inFlight++
        }
        expect(inFlight).toBeLessThanOrEqual(concurrency * (7 / 8))
      }),
    )
  })
})

describe('the lines', () => {
  const waiting = (id: string, tries: number, isSuspect: boolean | null = null) => {
    const lane = laneOf(id)
    lane.isSuspect = isSuspect
    for (let i = 0; i < 100; i++) lane.push(rig.delivery(id, { tries }))
    return lane
  }

  /** Starts `count` attempts that end at once. */
  function run(lanes: Lane[], count: number): string {
    const turns = new Turns(64)
    for (const lane of lanes) turns.stand(lane, lanes.length)
    let started = ''
    for (let i = 0; i < count; i++) {
      const turn = turns.next(lanes.length)
      if (turn === undefined) break
      started += turn.lane.endpointId.slice(3)
      turns.started(turn.rank)
      turns.ended(turn.rank)
      turns.stand(turn.lane, lanes.length)
    }
    return started
  }

  test('give every lane its turn', () => {
    expect(run([waiting('a', 0), waiting('b', 0), waiting('c', 0)], 7)).toBe('abcabca')
  })

  test('give every eighth start to retries and to endpoints without an answer, by turns', () => {
    expect(run([waiting('f', 0), waiting('r', 1), waiting('s', 0, true)], 32)).toBe('fffffffrfffffffs'.repeat(2))
    expect(run([waiting('f', 0), waiting('s', 1, true)], 16)).toBe('fffffffs'.repeat(2))
  })

  test('let a lane keep its place until it is something else', () => {
    const turns = new Turns(64)
    const [a, b] = [waiting('a', 0), waiting('b', 0)]
    for (const lane of [a, b, a]) turns.stand(lane, 2)
    expect(turns.next(2)?.lane).toBe(a)
    turns.stand(a, 2)
    b.isSuspect = true
    turns.stand(b, 2)
    expect(turns.next(2)).toEqual({ lane: a, rank: 'first' })
    expect(turns.next(2)).toEqual({ lane: b, rank: 'suspect' })
    expect(turns.next(2)).toBeUndefined()
  })

  test('forget a lane that leaves', () => {
    const turns = new Turns(64)
    const a = waiting('a', 0)
    turns.stand(a, 1)
    turns.leave(a)
    turns.leave(a)
    expect(turns.next(1)).toBeUndefined()
  })

  test('that have to stay back are in nobody’s way', () => {
    const turns = new Turns(64)
    for (let i = 0; i < 100; i++) turns.stand(waiting(`s${i}`, 0, true), 200)
    for (let i = 0; i < 32; i++) turns.started('suspect')
    expect(turns.next(200)).toBeUndefined()
    for (let i = 0; i < 24; i++) {
      turns.stand(waiting(`f${i}`, 0), 200)
      const turn = turns.next(200)
      expect(turn?.lane.endpointId).toBe(`ep_f${i}`)
      turns.started(turn!.rank)
    }
    expect(turns.inFlight).toBe(56)
  })
})
