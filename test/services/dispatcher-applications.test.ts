/** One tenant must not slow the others, whatever its endpoints do and however many it has. */
import { describe, expect, test } from 'vitest'
import type { AppId } from '../../src/domain/ids.ts'
import { DISPATCH_LIMITS } from '../../src/services/dispatch/limits.ts'
import { type Attempt, createRig, type Rig } from './rig.ts'

const SECOND = 1_000
const TIMEOUT_MS = 10 * SECOND
const KILOBYTE = 1_024
const MEGABYTE = 1_048_576

const isHanging = ({ delivery }: Attempt) => delivery.endpointId.startsWith('ep_hang')
const hangingForEver = (attempt: Attempt, clock: Rig['clock']) => {
  if (!isHanging(attempt)) clock.after(20, () => attempt.end())
}
const timingOut = (attempt: Attempt, clock: Rig['clock']) => {
  if (isHanging(attempt)) clock.after(TIMEOUT_MS, () => attempt.end({ gotNoAnswer: true, dueAgainAt: null }))
  else clock.after(20, () => attempt.end())
}
const succeeding = (attempt: Attempt, clock: Rig['clock']) => void clock.after(20, () => attempt.end())

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const A: AppId = 'app_hanging'
const B: AppId = 'app_well'

/** A node that knows both applications, and the first one's endpoints. */
async function rigWith(onAttempt: typeof timingOut, hanging: readonly string[]): Promise<Rig> {
  const rig = createRig({ onAttempt })
  rig.endpoint('seen', { appId: B })
  rig.accept('seen')
  await rig.clock.advance(SECOND)
  for (const id of hanging) rig.endpoint(id, { appId: A })
  return rig
}

/** When each delivery of an endpoint was attempted, after `since`. */
const startsOf = (rig: Rig, id: string, since: number) => rig.attemptsOf(id).map(({ at }) => at - since)

describe.each([200, 1_000])('while %i endpoints of one application hang, with 30 messages each', (count) => {
  test.each([
    ['for ever', hangingForEver],
    ['until the time-out, again and again', timingOut],
  ])('%s, everything of another one starts at once', async (_, onAttempt) => {
    const hanging = ids('hang', count)
    const rig = await rigWith(onAttempt, hanging)
    rig.run()
    for (let n = 0; n < 30; n++) for (const id of hanging) rig.accept(id)
    await rig.clock.advance(SECOND)
    rig.endpoint('well', { appId: B })
    rig.endpoint('broken', { appId: B, failingSince: rig.clock.now() })
    for (let round = 0; round < 20; round++) {
      expect(rig.dispatcher.inFlight).toBeLessThanOrEqual(448 + 16)
      const now = rig.clock.now()
      const before = rig.attempts.length
      // First attempts, more of them at once than an endpoint's share would be, and two that are due in the store.
      for (let n = 0; n < 5; n++) expect(rig.accept('well')).toBe(true)
      const stored = [rig.store('well', { tries: 1 }), rig.store('broken', { tries: 1 })]
      rig.dispatcher.noteDue(now)
      await rig.clock.settle()
      const started = rig.attempts.slice(before).filter(({ delivery }) => delivery.appId === B)
      expect(started.filter(({ delivery }) => delivery.tries === 0)).toHaveLength(5)
      // A claim may rest for a moment before the next one.
      await rig.clock.advance(10)
      const keys = new Set(rig.attempts.slice(before).map(({ delivery }) => delivery.msgId))
      expect(stored.filter(({ msgId }) => !keys.has(msgId))).toEqual([])
      await rig.clock.advance(SECOND)
    }
    await rig.stop()
  })
})

test('retries of one application with any number of endpoints leave room to claim those of another one', async () => {
  const hanging = ids('hang', 1_500)
  const rig = await rigWith(hangingForEver, hanging)
  for (const id of hanging) for (let n = 0; n < 3; n++) rig.store(id, { tries: 1 })
  rig.run()
  await rig.clock.advance(5 * SECOND)
  rig.endpoint('well', { appId: B })
  const now = rig.clock.now()
  for (let n = 0; n < 10; n++) rig.store('well', { tries: 1 })
  rig.dispatcher.noteDue(now)
  await rig.clock.advance(20)
  expect(startsOf(rig, 'well', now).filter((after) => after <= 10)).toHaveLength(10)
  const claimedOfA = rig.queue.claims.reduce((sum, { took }) => sum + took, 0) - 10
  expect(claimedOfA).toBeLessThanOrEqual(768)
  await rig.stop()
})

test('what one application may not claim for want of room is claimed as its attempts end', async () => {
  const rig = await rigWith(succeeding, [])
  const many = ids('many', 400)
  for (const id of many) rig.endpoint(id, { appId: A })
  for (const id of many) for (let n = 0; n < 20; n++) rig.store(id, { tries: 1 })
  rig.run()
  await rig.clock.advance(SECOND)
  // 384 at a time take 20 ms each: the claims in between cost less than half of the time.
  expect(rig.attempts.length).toBe(1 + 8_000)
  await rig.stop()
})

describe('an application that holds all the memory that it may', () => {
  test.each([
    ['small deliveries to many endpoints', 10, 9_000],
    ['large ones', MEGABYTE / 4, 1_000],
    ['large ones to few endpoints', MEGABYTE / 4, 20],
  ])('with %s leaves room to others', async (_, bytes, count) => {
    const hanging = ids('hang', count)
    const rig = await rigWith(hangingForEver, hanging)
    for (let n = 0; n < (2 * DISPATCH_LIMITS.deliveriesInMemory) / count; n++)
      for (const id of hanging) rig.accept(id, bytes)
    await rig.clock.settle()
    expect(rig.dispatcher.inMemory).toBeLessThanOrEqual(DISPATCH_LIMITS.deliveriesInMemory * (7 / 8))
    for (const id of ids('well', 20)) {
      rig.endpoint(id, { appId: B })
      for (let n = 0; n < 3; n++) expect(rig.accept(id, 30 * KILOBYTE)).toBe(true)
    }
    await rig.clock.settle()
  })
})

test('an application that is alone may use all of the node', async () => {
  const rig = createRig({ onAttempt: hangingForEver })
  for (const id of ids('hang', 600)) {
    rig.endpoint(id)
    rig.accept(id)
  }
  await rig.clock.settle()
  expect(rig.dispatcher.inFlight).toBe(512)
})

test('endpoints of one application do not hurt each other either while there is another one', async () => {
  const rig = await rigWith(hangingForEver, ids('hang', 384))
  for (const id of ids('hang', 384)) for (let n = 0; n < 3; n++) rig.accept(id)
  await rig.clock.settle()
  expect(rig.dispatcher.inFlight).toBe(384)
  for (const id of ids('well', 40)) {
    rig.endpoint(id, { appId: A })
    rig.accept(id)
    await rig.clock.settle()
  }
  expect(rig.attempts.filter(({ delivery }) => delivery.endpointId.startsWith('ep_well'))).toHaveLength(40)
})

test('nothing is remembered of applications that have nothing here any more', async () => {
  const rig = createRig({ onAttempt: succeeding })
  for (let n = 0; n < 500; n++) {
    rig.endpoint(`one${n}`, { appId: `app_${n}` })
    rig.accept(`one${n}`)
  }
  expect(rig.dispatcher.applications).toBe(500)
  await rig.clock.advance(SECOND)
  expect([rig.dispatcher.lanes, rig.dispatcher.applications, rig.dispatcher.inFlight]).toEqual([0, 0, 0])
})
