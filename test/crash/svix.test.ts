/**
 * The proof that every event becomes exactly one message in Svix: whatever Svix answers, as long as it does not refuse the
 * event itself, and whenever the gateway is killed.
 */
import { randomInt } from 'node:crypto'
import { afterAll, expect, onTestFailed, test } from 'vitest'
import {
  type Behaviour,
  conflictWithoutReason,
  drop,
  hang,
  healthy,
  html,
  limitRate,
  mixture,
  randomNumbers,
  refusal,
  say,
  serveAndDrop,
  serveAndHang,
  serveAndSay,
  serveAndStall,
  startFakeSvix,
  type SvixMessage,
} from '../acceptance/fake-svix.ts'
import { temporaryDirectory } from '../acceptance/gateway.ts'
import { towards } from '../acceptance/notification-gateway.ts'
import { eventsOf, nameOf, postAll, statesOf, Victim } from './victim.ts'

const svix = await startFakeSvix()
afterAll(() => svix[Symbol.asyncDispose]())

const EVENTS = 1_500
const KILLS = 5
const SEED = Number(process.env['SVIX_SEED'] ?? randomInt(2 ** 32 - 1))

/** How often a behaviour came up, by its name. */
const seen: Record<string, number> = {}
const counted = (behaviours: Record<string, Behaviour>): Behaviour[] =>
  Object.entries(behaviours).map(([name, behaviour]) => {
    seen[name] = 0
    return (exchange) => {
      seen[name] = (seen[name] ?? 0) + 1
      behaviour(exchange)
    }
  })

/** What leaves it open whether Svix has the message. */
const OPEN = counted({
  500: say(500),
  '500 after taking it': serveAndSay(refusal(500, 'server_error')),
  '502 with a page': say(html(502)),
  503: say(503),
  408: say(408),
  425: say(refusal(425, 'too_early')),
  '4xx without a body': say(418),
  '404 with a reason': say(refusal(404, 'not_found')),
  '404 with a page': say(html(404)),
  '409 without having it': conflictWithoutReason,
  '200 without an id': say({ status: 200, body: '{}' }),
  '200 with a page': say(html(200)),
  '200 with a page after taking it': serveAndSay(html(200)),
  '204 after taking it': serveAndSay({ status: 204 }),
  '301': say({ status: 301, headers: { location: '/elsewhere' } }),
  '307': say({ status: 307, headers: { location: '/elsewhere' } }),
  'a closed connection': drop,
  'a reset after taking it': serveAndDrop,
  silence: hang,
  'silence after taking it': serveAndHang,
  'half of an answer': serveAndStall,
})

/** It has lost its idempotency keys, so that a repeat is a conflict. */
const [forgetful] = counted({
  'without its keys': (exchange) => {
    svix.forgetIdempotencyKeys()
    healthy(exchange)
  },
})

/** What pauses the destination. Each comes once: after it, everything takes seconds until the gateway is started again. */
const PAUSES = counted({
  '429 with seconds': limitRate('1'),
  '429 with a date': ({ answer }) =>
    answer(refusal(429, 'rate_limit', { 'retry-after': new Date(Date.now() + 1_000).toUTCString() })),
  '429 without a wait': limitRate(),
  '503 with seconds': say({ status: 503, headers: { 'retry-after': '1' } }),
  401: say(refusal(401, 'authentication_failed')),
  403: say(refusal(403, 'forbidden')),
})

/** Misbehaves at every second request, and pauses the destination once after each `expectPause`. */
function misbehave(random: () => number): { expectPause: () => void; pausesLeft: () => number } {
  const pauses = PAUSES.map((behaviour) => ({ behaviour, order: random() })).sort((a, b) => a.order - b.order)
  const usual = mixture(random, [[45, healthy], [5, forgetful!], ...OPEN.map((behaviour) => [2, behaviour] as const)])
  let left = Infinity
  svix.otherwise = (exchange) => {
    const pause = --left < 0 ? pauses.shift() : undefined
    if (pause === undefined) return usual(exchange)
    // The first life of the gateway has two of them, so that the last one need not have any.
    left = pauses.length >= KILLS ? 3 : Infinity
    pause.behaviour(exchange)
  }
  return { expectPause: () => void (left = Math.floor(random() * 40)), pausesLeft: () => pauses.length }
}

/** All requests about an event name it alike, with the same bytes; and nothing else was ever asked for. */
function expectSameKeys(): void {
  const requestsOf = new Map<string, Set<string>>()
  for (const { text, headers, path } of svix.posts()) {
    const { eventId, payload } = JSON.parse(text) as SvixMessage
    const name = nameOf(payload)
    const known = requestsOf.get(name) ?? new Set()
    requestsOf.set(name, known.add(`${eventId} ${headers['idempotency-key'] as string} ${path} ${text}`))
    expect(headers['idempotency-key']).toBe(eventId)
  }
  expect([...requestsOf.values()].filter((known) => known.size !== 1)).toEqual([])
  expect(svix.requests.filter(({ path }) => !path.startsWith('/api/v1/app/app1/msg'))).toEqual([])
}

test(
  'each of 1500 events becomes one message, through every misbehaviour of Svix and five kills of the gateway',
  { timeout: 240_000 },
  async () => {
    onTestFailed(() => void process.stderr.write(`SVIX_SEED=${SEED} ${JSON.stringify(seen)}\n`))
    // The time at which things happen differs from run to run; what happens is the seed's.
    const random = randomNumbers(SEED)
    const events = eventsOf(EVENTS, random)
    const { expectPause, pausesLeft } = misbehave(random)
    using directory = temporaryDirectory()
    await using victim = new Victim(directory.path, random, () => {
      const waits = Array.from({ length: 100 }, () => `${50 + Math.floor(random() * 250)}ms`)
      return towards(svix, { DELIVERY_TIMEOUT: '500ms', SVIX_RETRY_SCHEDULE: waits.join(',') })
    })

    const lives = async () => {
      for (let kills = 0; kills < KILLS; kills++) {
        expectPause()
        expect(await victim.liveAndDie()).toBeNull()
      }
      expectPause()
      await victim.live()
    }
    const [messageIds] = await Promise.all([postAll(victim, events, random), lives()])
    const inSvix = () => new Set(svix.messages.map(({ payload }) => nameOf(payload))).size
    await expect.poll(inSvix, { interval: 50, timeout: 150_000 }).toBe(EVENTS)
    const states = () => statesOf(victim.client!)
    await expect.poll(states, { interval: 50, timeout: 40_000 }).toEqual({ delivered: EVENTS })

    expect(messageIds.size).toBe(EVENTS)
    expect(new Set(messageIds.values()).size).toBe(EVENTS)
    expect(svix.messages).toHaveLength(EVENTS)
    const payloads = new Map(svix.messages.map(({ payload }) => [nameOf(payload), payload]))
    for (const event of events) expect(payloads.get(nameOf(event))).toEqual(JSON.parse(JSON.stringify(event)))
    expectSameKeys()
    expect(Object.entries(seen).filter(([, count]) => count === 0)).toEqual([])
    expect(pausesLeft()).toBe(0)
  },
)
