import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/domain/delivery.ts'
import { type Behaviour, drop, healthy, html, limitRate, say, serveAndDrop } from '../acceptance/fake-svix.ts'
import { deferred, HOUR, refused, SECOND, unreachable, useSvix } from './svix-rig.ts'

const { svix, clock, open, event, attempt, methods } = await useSvix()

describe('a message that Svix may have forgotten the keys of', () => {
  const old = (settings: Parameters<typeof event>[0] = {}) => event({ ageMs: 11 * HOUR + 1, ...settings })

  test('is asked for before it is created', async () => {
    expect(await attempt([healthy, healthy], old())).toMatchObject({ kind: 'accepted', statusCode: 202 })
    expect(methods()).toEqual(['GET', 'POST'])
    expect(svix.messages).toHaveLength(1)
  })

  test('is not created when Svix has it', async () => {
    const request = event()
    await attempt([serveAndDrop], request)
    const later = old({ eventId: request.message.eventId })
    expect(await attempt([healthy], later)).toMatchObject({ kind: 'accepted', statusCode: 200 })
    expect(methods()).toEqual(['POST', 'GET'])
  })

  test.each<[string, Behaviour, Partial<Outcome>]>([
    ['fails', say(500), refused(500)],
    ['is answered by something else', say(html(200)), refused(200)],
    ['is not answered', drop, unreachable(/^connection closed/)],
    ['comes too often', limitRate('3'), deferred('rate_limited', 3 * SECOND)],
    ['is not allowed', say(403), deferred('credentials', SECOND)],
    ['is not understood', say(422), refused(422, /asked for the message/)],
    ['is too large, of all things', say(413), refused(413, /asked for the message/)],
    ['is a conflict', say(409), refused(409, /asked for the message/)],
  ])('is not created when the question %s', async (_name, answer, expected) => {
    expect(await attempt([answer], old())).toMatchObject(expected)
    expect(methods()).toEqual(['GET'])
  })

  test('is one that came more than 11 hours ago', async () => {
    await attempt([healthy], event({ ageMs: 11 * HOUR }))
    expect(methods()).toEqual(['POST'])
  })
})

describe('pauses', () => {
  const waitOf = (outcome: Outcome) => (outcome.kind === 'deferred' ? outcome.waitMs : outcome.kind)

  test('grow from a second to a minute as long as nothing else is known, and end with a success', async () => {
    const driver = open()
    const next = async (behaviour: Behaviour) => {
      const waitMs = waitOf(await attempt([behaviour], event(), driver))
      await clock.advance(Number(waitMs) || 0)
      return waitMs
    }
    const waits: unknown[] = []
    for (let i = 0; i < 4; i++) waits.push(await next(limitRate()))
    for (let i = 0; i < 4; i++) waits.push(await next(say(401)))
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    const last = say({ status: 500, headers: { connection: 'close' } })
    expect([await next(last), await next(drop), await next(say(422))]).toEqual(['refused', 'unreachable', 'rejected'])
    expect(await next(limitRate())).toBe(60_000)
    expect(await next(healthy)).toBe('accepted')
    expect([await next(limitRate()), await next(say(403))]).toEqual([1_000, 2_000])
  })

  test('are shared by attempts that were under way together', async () => {
    const driver = open()
    expect(waitOf(await attempt([limitRate()], event(), driver))).toBe(1_000)
    await clock.advance(300)
    expect(waitOf(await attempt([limitRate()], event(), driver))).toBe(700)
    await clock.advance(699)
    expect(waitOf(await attempt([limitRate()], event(), driver))).toBe(1)
    await clock.advance(1)
    expect(waitOf(await attempt([limitRate()], event(), driver))).toBe(2_000)
  })

  test('are as long as Svix asks for, also for those that it told nothing', async () => {
    const driver = open()
    expect(waitOf(await attempt([limitRate('90')], event(), driver))).toBe(90_000)
    await clock.advance(1_000)
    expect(waitOf(await attempt([limitRate()], event(), driver))).toBe(89_000)
    expect(waitOf(await attempt([limitRate('999999999')], event(), driver))).toBe(24 * HOUR)
  })
})
