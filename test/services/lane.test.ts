import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { ApplicationLoad, Lane, laneCapacity, type Rank, RANKS, rankOf } from '../../src/services/dispatch/lane.ts'
import { mayStart, type Turn, Turns } from '../../src/services/dispatch/turns.ts'
import { createRig } from './rig.ts'

const rig = createRig()

const laneOf = (id: string, application = new ApplicationLoad('app_test')) => new Lane(application, `ep_${id}`)

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
    [null, 1_024],
    [1, 5],
    [50, 250],
    [204, 1_020],
    [205, 1_024],
    [5_000, 1_024],
  ])('with a rate limit of %s per second holds at most %i', (rateLimit, capacity) => {
    expect(laneCapacity(rateLimit, 1_024)).toBe(capacity)
  })
})

const node = { concurrency: 512, lanes: 8, isShared: false }

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
    expect(mayStart(rank, { inFlight, ofRank, isLight: false }, node)).toBe(expected)
  })

  test('in all of the node when its endpoint is alone, unless that gives no answer', () => {
    const alone = { concurrency: 512, lanes: 1, isShared: false }
    const counts = { inFlight: 511, ofRank: 511, isLight: false }
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
    isShared: fc.boolean(),
  })

  const shared = { ...node, isShared: true }

  test.each<[Rank, number, number, boolean]>([
    ['first', 447, 447, true],
    ['first', 448, 0, false],
    ['more', 383, 383, true],
    ['more', 384, 0, false],
    ['retry', 384, 31, true],
    ['retry', 448, 0, false],
    ['suspect', 256, 31, true],
    ['suspect', 448, 0, false],
  ])(
    'beside other applications, of one with much under way, as %s with %i in flight, %i of them of its rank: %s',
    (rank, inFlight, ofRank, expected) => {
      expect(mayStart(rank, { inFlight, ofRank, isLight: false }, shared)).toBe(expected)
    },
  )

  test.each<[Rank, number, number, boolean]>([
    ['first', 511, 511, true],
    ['more', 511, 15, true],
    ['more', 511, 16, false],
    ['retry', 511, 15, true],
    ['retry', 511, 16, false],
    ['suspect', 511, 15, true],
    ['suspect', 256, 16, false],
  ])(
    'of one with little under way, as %s with %i in flight, %i of them of its rank: %s',
    (rank, inFlight, ofRank, expected) => {
      expect(mayStart(rank, { inFlight, ofRank, isLight: true }, shared)).toBe(expected)
    },
  )

  test('such that whatever applications with much under way start leaves an eighth of a shared node, and first attempts of the others are kept at least a slot in thirty-two by everything else', () => {
    const anybody = fc.record({ rank: fc.constantFrom(...RANKS), isLight: fc.boolean() })
    fc.assert(
      fc.property(
        fc.integer({ min: 32, max: 1_000 }),
        fc.array(anybody, { maxLength: 3_000 }),
        (concurrency, wanted) => {
          const counts = new Map<string, number>()
          let inFlight = 0
          let fullest = 0
          for (const { rank, isLight } of wanted) {
            if (isLight && rank === 'first') continue
            const key = `${rank} ${isLight}`
            const ofRank = counts.get(key) ?? 0
            if (!mayStart(rank, { inFlight, ofRank, isLight }, { concurrency, lanes: 100, isShared: true })) continue
            if (!isLight) fullest = Math.max(fullest, inFlight + 1)
            counts.set(key, ofRank + 1)
            inFlight++
          }
          expect(fullest).toBeLessThanOrEqual(concurrency - Math.floor(concurrency / 8))
          expect(inFlight).toBeLessThanOrEqual(concurrency - Math.floor(concurrency / 32))
        },
      ),
    )
  })

  test('in any idle node, and in none that is full', () => {
    fc.assert(
      fc.property(anyNode, fc.constantFrom(...RANKS), fc.boolean(), (any, rank, isLight) => {
        expect(mayStart(rank, { inFlight: 0, ofRank: 0, isLight }, any)).toBe(true)
        expect(mayStart(rank, { inFlight: any.concurrency, ofRank: 0, isLight }, any)).toBe(false)
      }),
    )
  })

  test('whenever there is a slot, to an endpoint with nothing in flight that is not known to hang', () => {
    fc.assert(
      fc.property(anyNode, fc.nat(), (any, n) => {
        const rank = rankOf({ isSuspect: false, hasFirsts: true, inFlight: 0 }, any)
        const inFlight = n % any.concurrency
        const counts = { inFlight, ofRank: inFlight }
        expect(mayStart(rank, { ...counts, isLight: true }, any)).toBe(true)
        expect(mayStart(rank, { ...counts, isLight: false }, { ...any, isShared: false })).toBe(true)
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
          const seen = { inFlight, ofRank: counts[rank], isLight: false }
          if (!mayStart(rank, seen, { concurrency, lanes: 100, isShared: false })) continue
          counts[rank]++
          inFlight++
        }
        expect(inFlight).toBeLessThanOrEqual(concurrency * (7 / 8))
      }),
    )
  })
})

const among = (lanes: number, isShared = false) => ({ lanes, isShared })

describe('the lines', () => {
  let one = new ApplicationLoad('app_test')
  beforeEach(() => {
    one = new ApplicationLoad('app_test')
  })
  const waiting = (id: string, tries: number, isSuspect: boolean | null = null, application = one) => {
    const lane = laneOf(id, application)
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
      const turn = turns.next(among(lanes.length))
      if (turn === undefined) break
      started += turn.lane.endpointId.slice(3)
      turns.started(turn)
      turns.ended(turn)
      turns.stand(turn.lane, lanes.length)
    }
    return started
  }

  test('give every lane its turn', () => {
    expect(run([waiting('a', 0), waiting('b', 0), waiting('c', 0)], 7)).toBe('abcabca')
  })

  test('give every eighth start to retries and to endpoints without an answer, by turns', () => {
    expect(run([waiting('f', 0), waiting('r', 1), waiting('s', 0, true)], 32)).toBe('fffffffrfffffffs'.repeat(2))
  })

  test('give every eighth start to endpoints without an answer where there are no retries', () => {
    expect(run([waiting('f', 0), waiting('s', 1, true)], 16)).toBe('fffffffs'.repeat(2))
  })

  test('let a lane keep its place until it is something else', () => {
    const turns = new Turns(64)
    const [a, b] = [waiting('a', 0), waiting('b', 0)]
    for (const lane of [a, b, a]) turns.stand(lane, 2)
    expect(turns.next(among(2))?.lane).toBe(a)
    turns.stand(a, 2)
    b.isSuspect = true
    turns.stand(b, 2)
    expect(turns.next(among(2))).toMatchObject({ lane: a, rank: 'first' })
    expect(turns.next(among(2))).toMatchObject({ lane: b, rank: 'suspect' })
    expect(turns.next(among(2))).toBeUndefined()
  })

  test('forget a lane that leaves', () => {
    const turns = new Turns(64)
    const a = waiting('a', 0)
    turns.stand(a, 1)
    turns.leave(a)
    turns.leave(a)
    expect(turns.next(among(1))).toBeUndefined()
  })

  test('that have to stay back are in nobody’s way', () => {
    const turns = new Turns(64)
    const hanging = new ApplicationLoad('app_hanging')
    for (let i = 0; i < 100; i++) turns.stand(waiting(`s${i}`, 0, true, hanging), 200)
    for (let i = 0; i < 32; i++) turns.started({ lane: laneOf(`h${i}`, hanging), rank: 'suspect' })
    expect(turns.next(among(200))).toBeUndefined()
    for (let i = 0; i < 24; i++) {
      turns.stand(waiting(`f${i}`, 0), 200)
      const turn = turns.next(among(200))
      expect(turn?.lane.endpointId).toBe(`ep_f${i}`)
      turns.started(turn!)
    }
    expect(turns.inFlight).toBe(56)
  })

  test('let applications take turns, and lanes within an application', () => {
    const two = new ApplicationLoad('app_other')
    const lanes = [waiting('a', 0), waiting('b', 0), waiting('c', 0), waiting('x', 0, null, two)]
    expect(run(lanes, 12)).toBe('axbxcxaxbxcx')
  })

  test('change as applications begin and end attempts, and forget nobody', () => {
    const ids = ['app_a', 'app_b', 'app_c'] as const
    const step = fc.record({ app: fc.nat(2), lane: fc.nat(3), ends: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const turns = new Turns(64)
        const lanesOf = ids.map((id) => {
          const application = new ApplicationLoad(id)
          return [0, 1, 2, 3].map((n) => waiting(`${id}${n}`, n % 2, n === 3, application))
        })
        const underWay: Turn[] = []
        for (const { app, lane, ends } of steps) {
          turns.stand(lanesOf[app]![lane]!, 12)
          if (ends && underWay.length > 0) turns.ended(underWay.shift()!)
          const turn = turns.next(among(12, true))
          if (turn === undefined) continue
          turns.started(turn)
          underWay.push(turn)
        }
        for (const turn of underWay) turns.ended(turn)
        expect(turns.inFlight).toBe(0)
        // Whoever stands is found once everything is idle, once each.
        const standing = lanesOf.flat().filter(({ line }) => line !== null)
        const found = standing.map(() => turns.next(among(12, true))?.lane)
        expect(new Set(found)).toEqual(new Set(standing))
        expect(turns.next(among(12, true))).toBeUndefined()
      }),
    )
  })
})
