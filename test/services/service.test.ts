import { describe, expect, test } from 'vitest'
import { every, pause, runServices, type Service } from '../../src/services/service.ts'
import { createFakeClock } from '../fake-clock.ts'

const SECOND = 1_000

describe('a pause', () => {
  test('lasts as long as asked for', async () => {
    const clock = createFakeClock()
    let isOver = false
    void pause(clock, 100, new AbortController().signal).then(() => (isOver = true))
    await clock.advance(99)
    expect(isOver).toBe(false)
    await clock.advance(1)
    expect(isOver).toBe(true)
  })

  test('ends at once when it is aborted, and leaves no timer', async () => {
    const clock = createFakeClock()
    const stop = new AbortController()
    const paused = pause(clock, 100, stop.signal)
    expect(clock.timers).toBe(1)
    stop.abort()
    await paused
    expect(clock.timers).toBe(0)
  })

  test('does not even begin when it was aborted before', async () => {
    const clock = createFakeClock()
    await pause(clock, 100, AbortSignal.abort())
    expect(clock.timers).toBe(0)
  })
})

describe('a repeated step', () => {
  test('comes at once and then so much later than the last one ended', async () => {
    const clock = createFakeClock()
    const start = clock.now()
    const times: number[] = []
    const stop = new AbortController()
    const running = every('steps', clock, 100, async () => {
      times.push(clock.now() - start)
      await pause(clock, 30, stop.signal)
    }).run(stop.signal)
    await clock.advance(400)
    expect(times).toEqual([0, 130, 260, 390])
    stop.abort()
    await running
    expect(clock.timers).toBe(0)
  })

  test('gets the signal, so that a long one can end early', async () => {
    const clock = createFakeClock()
    const stop = new AbortController()
    const running = every('steps', clock, 100, (signal) => pause(clock, 3_600 * SECOND, signal)).run(stop.signal)
    await clock.advance(10)
    stop.abort()
    await expect(running).resolves.toBeUndefined()
  })

  test('that throws ends the service with its error', async () => {
    const clock = createFakeClock()
    const failing = every('steps', clock, 100, () => Promise.reject(new Error('locked')))
    await expect(failing.run(new AbortController().signal)).rejects.toThrow('locked')
  })
})

describe('running services', () => {
  /** A service that does in its nth run what `runs` says, and from then on what the last one says. */
  const scripted = (name: string, ...runs: ((signal: AbortSignal) => Promise<void>)[]) => {
    let count = 0
    const service: Service = { name, run: (signal) => runs[Math.min(count++, runs.length - 1)]!(signal) }
    return { service, count: () => count }
  }
  const untilStopped = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  const fail = () => Promise.reject(new Error('broken'))

  test('one that fails is reported and started again, later and later, up to ten seconds', async () => {
    const clock = createFakeClock()
    const start = clock.now()
    const reported: unknown[] = []
    const { service } = scripted('sweeper', fail)
    const running = runServices([service], clock, (name, error) =>
      reported.push([clock.now() - start, name, (error as Error).message]),
    )
    await clock.advance(40 * SECOND)
    const after = [0, 100, 300, 700, 1_500, 3_100, 6_300, 12_700, 22_700, 32_700]
    expect(reported).toEqual(after.map((ms) => [ms, 'sweeper', 'broken']))
    await running[Symbol.asyncDispose]()
    expect(clock.timers).toBe(0)
  })

  test('one that worked for a while before it failed is started again soon', async () => {
    const clock = createFakeClock()
    const start = clock.now()
    const failures: number[] = []
    const worksFor = (ms: number) => async (signal: AbortSignal) => {
      await pause(clock, ms, signal)
      await fail()
    }
    const { service } = scripted('sweeper', fail, fail, worksFor(11 * SECOND), fail, untilStopped)
    await using _ = runServices([service], clock, () => failures.push(clock.now() - start))
    await clock.advance(30 * SECOND)
    expect(failures).toEqual([0, 100, 11_300, 11_400])
  })

  test('one that returns by itself counts as failed', async () => {
    const clock = createFakeClock()
    const reported: string[] = []
    const { service, count } = scripted('pruner', () => Promise.resolve(), untilStopped)
    await using _ = runServices([service], clock, (name, error) =>
      reported.push(`${name}: ${(error as Error).message}`),
    )
    await clock.advance(SECOND)
    expect(reported).toEqual(['pruner: it ended by itself'])
    expect(count()).toBe(2)
  })

  test('one that throws before it has a promise is no different', async () => {
    const clock = createFakeClock()
    const reported: string[] = []
    const { service } = scripted('pruner', () => {
      throw new Error('broken')
    })
    await using _ = runServices([service], clock, (name) => reported.push(name))
    await clock.settle()
    expect(reported).toEqual(['pruner'])
  })

  test('a failing one does not disturb the others', async () => {
    const clock = createFakeClock()
    let steps = 0
    const steady = every('steady', clock, 100, () => Promise.resolve(steps++))
    await using _ = runServices([scripted('broken', fail).service, steady], clock, () => {})
    await clock.advance(SECOND)
    expect(steps).toBe(11)
  })

  test('stopping waits until all have returned, and reports nothing', async () => {
    const clock = createFakeClock()
    const reported: string[] = []
    let isClosed = false
    const slow: Service = {
      name: 'slow',
      async run(signal) {
        await untilStopped(signal)
        await pause(clock, 50, new AbortController().signal)
        isClosed = true
        throw new Error('cut off')
      },
    }
    const running = runServices([slow], clock, (name) => reported.push(name))
    await clock.settle()
    let isStopped = false
    const stopped = running[Symbol.asyncDispose]().then(() => (isStopped = true))
    await clock.advance(49)
    expect([isClosed, isStopped]).toEqual([false, false])
    await clock.advance(1)
    await stopped
    expect(isClosed).toBe(true)
    expect(reported).toEqual([])
  })

  test('stopping does not wait for a service that is about to be started again', async () => {
    const clock = createFakeClock()
    const { service, count } = scripted('broken', fail)
    const running = runServices([service], clock, () => {})
    await clock.advance(5 * SECOND)
    const runs = count()
    await running[Symbol.asyncDispose]()
    await clock.advance(60 * SECOND)
    expect(count()).toBe(runs)
  })
})
