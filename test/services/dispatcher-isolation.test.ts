/** One dead endpoint must not slow the others: whatever hangs, a healthy endpoint's first attempt starts at once. */
import { describe, expect, test } from 'vitest'
import { DISPATCH_LIMITS } from '../../src/services/dispatch/limits.ts'
import { type Attempt, createRig, type Rig } from './rig.ts'

const SECOND = 1_000
const TIMEOUT_MS = 10 * SECOND
const MEGABYTE = 1_048_576

const isHanging = ({ delivery }: Attempt) => delivery.endpointId.startsWith('ep_hang')

/** Endpoints whose id begins with `hang` never answer, and their attempts end at the time-out. The others take 20 ms. */
const timingOut = (attempt: Attempt, clock: Rig['clock']) => {
  if (isHanging(attempt)) clock.after(TIMEOUT_MS, () => attempt.end({ gotNoAnswer: true }))
  else clock.after(20, () => attempt.end())
}
/** The same, but an attempt that hangs never ends. */
const hangingForEver = (attempt: Attempt, clock: Rig['clock']) => {
  if (!isHanging(attempt)) clock.after(20, () => attempt.end())
}

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

/** All that was accepted for the healthy endpoints was attempted in the same millisecond. */
function expectAtOnce({ attempts, queue }: Rig): void {
  const startOf = new Map(attempts.map(({ delivery, at }) => [delivery.msgId, at]))
  const healthy = [...queue.known.values()].filter(({ endpointId }) => !endpointId.startsWith('ep_hang'))
  const late = healthy.filter(({ msgId, receivedAt }) => startOf.get(msgId) !== receivedAt)
  expect(late.map(({ endpointId }) => endpointId)).toEqual([])
}

describe('first attempts of healthy endpoints start at once', () => {
  test.each([
    ['for ever', hangingForEver],
    ['until the time-out', timingOut],
  ])('while 20 of 100 endpoints hang %s', async (_, onAttempt) => {
    const rig = createRig({ onAttempt })
    const hanging = ids('hang', 20)
    const healthy = ids('well', 80)
    for (const id of [...hanging, ...healthy]) rig.endpoint(id)
    rig.run()
    // 20 messages a second for each healthy endpoint and 40 for each that hangs, of which it can take a small part.
    for (let ms = 0; ms < 15 * SECOND; ms += 50) {
      for (let n = 0; n < 2; n++) for (const id of hanging) rig.accept(id)
      for (const id of healthy) expect(rig.accept(id)).toBe(true)
      await rig.clock.advance(50)
    }
    expectAtOnce(rig)
    expect(rig.attempts.filter((attempt) => !isHanging(attempt))).toHaveLength(80 * 300)
    await rig.stop()
  })

  test('while 300 endpoints that gave no answer have more waiting; they hold half of the node at most', async () => {
    const rig = createRig({ onAttempt: timingOut })
    const hanging = ids('hang', 300)
    for (const id of hanging) {
      rig.endpoint(id)
      for (let n = 0; n < 20; n++) rig.accept(id)
    }
    // By then all of them are known not to answer.
    await rig.clock.advance(3 * TIMEOUT_MS + 1)
    expect(rig.dispatcher.inFlight).toBeLessThanOrEqual(256)
    expect(rig.dispatcher.inFlight).toBeGreaterThan(200)
    for (let n = 0; n < 40; n++) {
      rig.endpoint(`well${n}`)
      rig.accept(`well${n}`)
      await rig.clock.settle()
    }
    expectAtOnce(rig)
    expect(rig.dispatcher.inFlight).toBeLessThanOrEqual(256 + 40)
  })

  test('while as many endpoints hang as fill three quarters of the node, with more waiting', async () => {
    const rig = createRig({ onAttempt: hangingForEver })
    for (const id of ids('hang', 384)) {
      rig.endpoint(id)
      for (let n = 0; n < 3; n++) rig.accept(id)
    }
    await rig.clock.settle()
    expect(rig.dispatcher.inFlight).toBe(384)
    for (const id of ids('well', 40)) {
      rig.endpoint(id)
      rig.accept(id)
      await rig.clock.settle()
    }
    expectAtOnce(rig)
  })

  test('while retries of endpoints that hang are due', async () => {
    const rig = createRig({ onAttempt: hangingForEver })
    for (const id of ids('hang', 60)) {
      rig.endpoint(id, { failingSince: rig.clock.now() - SECOND })
      for (let n = 0; n < 20; n++) rig.store(id, { tries: 1 })
    }
    rig.run()
    await rig.clock.advance(SECOND)
    expect(rig.dispatcher.inFlight).toBe(256)
    for (const id of ids('well', 40)) {
      rig.endpoint(id)
      rig.accept(id)
      await rig.clock.settle()
    }
    expectAtOnce(rig)
    await rig.stop()
  })

  test('while endpoints that hang get a message now and then: no answer is remembered by their record', async () => {
    const rig = createRig({ concurrency: 64, onAttempt: timingOut })
    const failingSince = rig.clock.now() - 3_600 * SECOND
    for (const id of ids('hang', 200)) {
      rig.endpoint(id, { failingSince })
      rig.accept(id)
    }
    await rig.clock.settle()
    expect(rig.dispatcher.inFlight).toBeLessThanOrEqual(32)
    for (const id of ids('well', 20)) {
      rig.endpoint(id)
      rig.accept(id)
      await rig.clock.settle()
    }
    expectAtOnce(rig)
  })
})

/** More deliveries than the node can hold. */
const ALL_AND_MORE = 2 * DISPATCH_LIMITS.deliveriesInMemory

describe('endpoints that hang leave room in memory', () => {
  test.each([1, 8, 20, 200])('%i of them, with all that they may hold', async (count) => {
    const rig = createRig({ onAttempt: hangingForEver })
    const hanging = ids('hang', count)
    for (const id of hanging) rig.endpoint(id)
    for (let n = 0; n < ALL_AND_MORE / count; n++) for (const id of hanging) rig.accept(id)
    await rig.clock.settle()
    for (const id of ids('well', 20)) {
      rig.endpoint(id)
      expect(rig.accept(id)).toBe(true)
      await rig.clock.settle()
    }
    expectAtOnce(rig)
  })

  test.each([1, 8, 20])('%i of them, with large payloads', async (count) => {
    const rig = createRig({ onAttempt: hangingForEver })
    const hanging = ids('hang', count)
    for (const id of hanging) rig.endpoint(id)
    for (let n = 0; n < 200; n++) for (const id of hanging) rig.accept(id, MEGABYTE)
    rig.run()
    await rig.clock.advance(SECOND)
    for (const id of ids('well', 4)) {
      rig.endpoint(id)
      expect(rig.accept(id, MEGABYTE / 2)).toBe(true)
      await rig.clock.settle()
    }
    expectAtOnce(rig)
    await rig.stop()
  })

  test.each([1, 8, 20, 200])('%i of them, and what is due of other endpoints is still claimed', async (count) => {
    const rig = createRig({ onAttempt: hangingForEver })
    const hanging = ids('hang', count)
    for (const id of hanging) rig.endpoint(id)
    for (let n = 0; n < ALL_AND_MORE / count; n++) for (const id of hanging) rig.accept(id)
    rig.run()
    await rig.clock.advance(SECOND)
    const due = ids('well', 20)
    for (const id of due) {
      rig.endpoint(id)
      rig.store(id, { tries: 1 })
    }
    await rig.clock.advance(2 * SECOND)
    expect(rig.attempts.filter((attempt) => !isHanging(attempt))).toHaveLength(20)
    await rig.stop()
  })

  test.each([4, 20, 100])('%i of them with retries due, and those of other endpoints are claimed', async (count) => {
    const rig = createRig({ onAttempt: hangingForEver })
    for (const id of ids('hang', count)) {
      rig.endpoint(id, { failingSince: rig.clock.now() - SECOND })
      for (let n = 0; n < 300; n++) rig.store(id, { tries: 1 })
    }
    rig.run()
    await rig.clock.advance(SECOND)
    for (const id of ids('well', 10)) {
      rig.endpoint(id)
      rig.store(id, { tries: 1 })
    }
    await rig.clock.advance(2 * SECOND)
    expect(rig.attempts.filter((attempt) => !isHanging(attempt))).toHaveLength(10)
    await rig.stop()
  })
})
