/** The driver between deliveries and a Svix that behaves as the test says. */
import { afterAll, afterEach, beforeEach, expect } from 'vitest'
import type { DeliveryRequest, Driver } from '../../src/destinations/driver.ts'
import { createSvixDriver, type SvixDriverOptions } from '../../src/destinations/svix.ts'
import type { Outcome } from '../../src/domain/delivery.ts'
import { type Behaviour, type FakeSvix, startFakeSvix, SVIX_TOKEN } from '../acceptance/fake-svix.ts'
import { endpoint } from '../conformance/builders.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'

export const SECOND = 1_000
export const HOUR = 3_600 * SECOND
export const MSG_ID = 'msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG'

interface Event {
  body?: string
  /** How long ago it was accepted. */
  ageMs?: number
  timeoutMs?: number
  /** By default one of its own. */
  eventId?: string | null
  hops?: number
}

export interface SvixRig {
  svix: FakeSvix
  clock: FakeClock
  open: (options?: Partial<SvixDriverOptions>) => Driver
  event: (settings?: Event) => DeliveryRequest
  /** One attempt at which Svix behaves like this, one request after the other. */
  attempt: (behaviours: Behaviour[], request?: DeliveryRequest, driver?: Driver) => Promise<Outcome>
  /** Of all requests so far. */
  methods: () => string[]
}

export async function useSvix(): Promise<SvixRig> {
  const svix = await startFakeSvix()
  const clock = createFakeClock()
  const opened: Driver[] = []
  let count = 0

  beforeEach(() => {
    svix.script = []
    svix.requests = []
    svix.messages.length = 0
  })
  afterEach(() => Promise.all(opened.splice(0).map((driver) => driver[Symbol.asyncDispose]())))
  afterAll(() => svix[Symbol.asyncDispose]())

  const open: SvixRig['open'] = (options) => {
    const driver = createSvixDriver({ token: SVIX_TOKEN, serverUrl: svix.url, app: { id: 'app1' }, clock, ...options })
    opened.push(driver)
    return driver
  }
  const event: SvixRig['event'] = ({
    body,
    ageMs = 0,
    timeoutMs = 5 * SECOND,
    eventId = `evt_${++count}`,
    hops = 0,
  } = {}) => ({
    endpoint: endpoint({ kind: 'svix', managed: true, url: svix.url }),
    message: {
      id: MSG_ID,
      eventId,
      eventType: 'user.created',
      contentType: 'application/json',
      receivedAt: clock.now() - ageMs,
      payload: Buffer.from(body ?? '{"id":"evt","type":"user.created"}'),
      hops,
    },
    at: clock.now(),
    timeoutMs,
  })
  return {
    svix,
    clock,
    open,
    event,
    attempt(behaviours, request = event(), driver = open()) {
      svix.script = behaviours
      return driver.deliver(request)
    },
    methods: () => svix.requests.map((request) => request.method),
  }
}

/** A text that matches. */
export const words = (pattern: RegExp): string => expect.stringMatching(pattern) as string

// What is expected of an outcome, in short.

export const refused = (statusCode: number, error = /./, retryAfterMs: number | null = null) =>
  ({ kind: 'refused', statusCode, error: words(error), isOverload: false, retryAfterMs }) as const

export const unreachable = (error: RegExp) => ({ kind: 'unreachable', error: words(error) }) as const

export const rejected = (statusCode: number | null, error: RegExp) =>
  ({ kind: 'rejected', statusCode, error: words(error) }) as const

export const deferred = (reason: 'rate_limited' | 'credentials', waitMs: number) =>
  ({ kind: 'deferred', reason, waitMs, error: words(/Svix/) }) as const
