/** Messages with every fate there is, in a store, and what its lists should say of them. */
import * as fc from 'fast-check'
import type { Attempt } from '../../src/domain/attempt.ts'
import type { EndpointId, MessageId } from '../../src/domain/ids.ts'
import type { Message, MessageInfo } from '../../src/domain/message.ts'
import type { DeliveryStatus } from '../../src/store/port/history.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  APP,
  attemptsOf,
  claim,
  createEndpoints,
  failed,
  givingUp,
  type Held,
  leaseOf,
  message,
  retrying,
  SECOND,
  settlement,
  succeeded,
  T0,
} from './builders.ts'

export const EVENT_TYPES = ['user.created', 'user', 'invoice.paid'] as const
/** The first word is a channel of some and a tag of others. */
export const CHANNELS = ['both', 'eu', 'us'] as const
export const TAGS = ['both', 'order:1', "it's"] as const

const FATES = ['waiting', 'held', 'delivered', 'retrying', 'retried', 'failed', 'cancelled', 'dropped'] as const
export type Fate = (typeof FATES)[number]

/** What a fate is called; `cancelled` and `dropped` differ in that the latter was never tried. */
export const STATUS: Readonly<Record<Fate, DeliveryStatus>> = {
  waiting: 'pending',
  held: 'pending',
  delivered: 'success',
  retrying: 'sending',
  retried: 'sending',
  failed: 'fail',
  cancelled: 'canceled',
  dropped: 'canceled',
}
export const wasTried = (fate: Fate): boolean => !['waiting', 'held', 'dropped'].includes(fate)

interface Plan {
  eventType: string
  channels: string[] | null
  tags: string[] | null
  shown: boolean
  expunged: boolean
  fates: [Fate | null, Fate | null]
  /** When the attempts were made: the order of their ids is not that of the messages. */
  triedAt: number
}

const plan: fc.Arbitrary<Plan> = fc.record({
  eventType: fc.constantFrom(...EVENT_TYPES),
  channels: fc.option(fc.subarray([...CHANNELS])),
  tags: fc.option(fc.subarray([...TAGS])),
  shown: fc.boolean(),
  expunged: fc.constantFrom(false, false, false, true),
  fates: fc.tuple(fc.option(fc.constantFrom(...FATES)), fc.option(fc.constantFrom(...FATES))),
  triedAt: fc.nat({ max: 1_000 }).map((seconds) => T0 + seconds * SECOND),
})
/** One set of messages for all runs, so that a filter which fails once fails again. */
const SEED = 1

export interface Known {
  sent: Message
  info: MessageInfo
  /** Null where it was not meant for the endpoint. */
  fates: Map<EndpointId, Fate>
  attempts: Attempt[]
}

export interface Data {
  endpoints: [EndpointId, EndpointId]
  /** In the order of their ids. */
  messages: Known[]
  attempts: Attempt[]
}

const RETRY_AT = T0 + SECOND
export const NEXT_AT = T0 + 100_000 * SECOND

/** Fills an empty store. The messages are a minute apart, so that windows can be cut between them. */
export async function fill(store: Store, count: number): Promise<Data> {
  const [one, other] = await createEndpoints(store, 2)
  const endpoints = [one!, other!] as [EndpointId, EndpointId]
  const plans = fc.sample(plan, { numRuns: count, seed: SEED })
  const messages: Known[] = []
  for (const [i, planned] of plans.entries())
    messages.push(await send(store, endpoints, { planned, receivedAt: T0 + i * 60 * SECOND }))
  // What is held after a retry is claimed at the end, so that nothing else is taken along.
  const { deliveries } = await claim(store, A, { now: RETRY_AT, max: 10_000, perEndpointMax: 10_000 })
  if (deliveries.some((one_) => fateOf(messages, one_) !== 'retried')) throw new Error('something else was due')
  for (const known of messages)
    for (const attempt of await attemptsOf(store, { appId: APP, msgId: known.sent.id, endpointId: one!, run: 0 }))
      known.attempts.unshift(attempt)
  const attempts = messages.flatMap((known) => known.attempts).sort((a, b) => (a.id < b.id ? -1 : 1))
  return { endpoints, messages, attempts }
}

const fateOf = (messages: readonly Known[], key: { msgId: MessageId; endpointId: EndpointId }) =>
  messages.find(({ sent }) => sent.id === key.msgId)?.fates.get(key.endpointId)

async function send(
  store: Store,
  endpoints: readonly EndpointId[],
  { planned, receivedAt }: { planned: Plan; receivedAt: number },
): Promise<Known> {
  const { eventType, channels, tags, shown, expunged } = planned
  const shownPayload = shown ? Buffer.from(`{"shown":${receivedAt}}`) : null
  const sent = message({ eventType, channels, tags, shownPayload, receivedAt })
  const fates = new Map(endpoints.flatMap((id, i) => (planned.fates[i] ? [[id, planned.fates[i]] as const] : [])))
  const deliveries = [...fates].map(([endpointId, fate]) => ({
    endpointId,
    lease: fate === 'waiting' ? null : leaseOf(A, T0 + 1_000_000 * SECOND),
    dueAt: NEXT_AT,
  }))
  await store.accept([{ message: sent, deliveries, idempotency: null, answer: null }])
  for (const [endpointId, fate] of fates)
    await meet(store, { appId: APP, msgId: sent.id, endpointId, run: 0, tries: 0 }, fate, planned.triedAt)
  // Expunging would end what waits, which is not what this is about.
  const isExpunged = expunged && [...fates.values()].every((fate) => !['waiting', 'retrying', 'retried'].includes(fate))
  if (isExpunged) await store.expungeMessage(APP, sent.id)
  const { payload: _payload, shownPayload: _shown, hops: _hops, audience: _audience, ...info } = sent
  return { sent, info: { ...info, payloadRemoved: isExpunged }, fates, attempts: [] }
}

async function meet(store: Store, held: Held, fate: Fate, at: number): Promise<void> {
  switch (fate) {
    case 'waiting':
    case 'held':
      return
    case 'delivered':
      await store.settle(settlement(held, { attempt: succeeded(at) }))
      return
    case 'retrying':
      await store.settle(retrying(held, at, NEXT_AT, { attempt: failed(at, { statusCode: null, error: 'no answer' }) }))
      return
    case 'retried':
      await store.settle(retrying(held, at, RETRY_AT, { attempt: failed(at, { statusCode: 503 }) }))
      return
    case 'failed':
      await store.settle(givingUp(held, at))
      return
    case 'cancelled': {
      const attempt = failed(at, { outcome: 'failure', statusCode: 410 })
      await store.settle(settlement(held, { attempt, to: { state: 'cancelled', at } }))
      return
    }
    case 'dropped':
      await store.settle(settlement(held, { attempt: null, to: { state: 'cancelled', at } }))
      return
    default:
      fate satisfies never
  }
}
