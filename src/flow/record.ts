/** Decides what follows an attempt, records it in one transaction, and tells those who have to know. */
import { decide, type Next, type Outcome, type Overload } from '../domain/delivery.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { EndpointId } from '../domain/ids.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { EndpointEffect, LeasedDelivery, Queue, SettledAttempt, Settled, Settlement } from '../store/port/queue.ts'
import type { Trigger } from '../domain/attempt.ts'
import { attemptEventType, endpointEvent, type OperationalEvent } from '../domain/operational.ts'
import { announcements, type AnnounceContext } from './announce.ts'
import type { CancelWaiting } from './cancel-waiting.ts'
import type { Tried } from './deliver.ts'
import type { Observer } from '../telemetry/events.ts'

/** This node's knowledge of the endpoints that answered that they are sent too much. */
export interface Pressure {
  /** Notes that the endpoint took something just now. */
  took(endpointId: EndpointId): void
  /**
   * The pause of an endpoint that did not say for how long, ms: longer each time, until the endpoint takes something.
   */
  pauseMs(endpointId: EndpointId, now: number): number
  /** True when the endpoint took something at `since` or later. */
  isTaking(endpointId: EndpointId, since: number): boolean
}

export interface RecordContext extends AnnounceContext {
  queue: Queue
  clock: Clock
  observer: Observer
  pressure: Pressure
  /** A random number in [0, 1). */
  random: () => number
  owner: string
  cancelWaiting: CancelWaiting
  retryScheduleMs: readonly number[]
  endpointDisableAfterMs: number
}

/** The dispatcher's news of an attempt that was recorded. */
export interface Recorded {
  /** The due time of the same delivery, or of the rows written beside it; null when there is neither. */
  dueAgainAt: number | null
  /** The attempt may have held its slot for the whole time-out, and the next attempt may do the same. */
  gotNoAnswer: boolean
  /**
   * The endpoint asked for less: no attempt before this time, and slow ones after it. Null when the endpoint did not
   * ask.
   */
  pausedUntil: number | null
  /**
   * Time for which this node leaves the endpoint alone because it lacked the means for the attempt, ms. 0 when it did
   * not lack them.
   */
  restMs: number
}

/**
 * Records an attempt and decides what follows. The write is repeated while the store is away, as long as this node
 * lives.
 */
export async function record(
  context: RecordContext,
  delivery: LeasedDelivery,
  endpoint: Endpoint,
  tried: Tried,
): Promise<Recorded> {
  const { outcome } = tried
  const now = context.clock.now()
  const trigger = delivery.run > 0 ? 'manual' : 'scheduled'
  const overload = overloadOf(context, delivery, outcome)
  const next = decide({
    outcome,
    trigger,
    steps: delivery.tries - delivery.spared,
    overload,
    scheduleMs: endpoint.retryScheduleMs ?? context.retryScheduleMs,
    now,
    random: context.random(),
  })
  const attempt: SettledAttempt | null =
    next.do === 'defer'
      ? null
      : {
          id: context.ids.next('atmpt', tried.at),
          url: endpoint.url,
          at: tried.at,
          trigger,
          outcome: next.do === 'finish' ? 'success' : next.do === 'retry' ? 'failed_attempt' : 'failure',
          statusCode: 'statusCode' in outcome ? outcome.statusCode : null,
          error: 'error' in outcome ? outcome.error : null,
          durationMs: tried.durationMs,
          response: 'response' in outcome ? outcome.response : null,
        }
  const disableAfterMs = endpoint.managed ? Infinity : context.endpointDisableAfterMs
  const effect = effectOn(endpoint, { outcome, next, trigger, overload, now, disableAfterMs })
  const told: Told = { delivery, endpoint, attempt, isLast: next.do === 'giveUp', effect, now }
  const announce = await persistently(context, () => announcementsOf(context, told))
  const settled = await settle(context, {
    key: { appId: delivery.appId, msgId: delivery.msgId, endpointId: delivery.endpointId, run: delivery.run },
    owner: context.owner,
    tries: delivery.tries,
    attempt,
    to: destinationOf(next, now),
    endpoint: effect,
    announce,
  })

  if (settled.endpointChanged) context.cache.forget(delivery.appId, delivery.endpointId)
  if (attempt !== null)
    context.observer.attempted({
      delivery,
      attempt: { ...attempt, outcome: settled.outcome ?? attempt.outcome },
      number: settled.number,
      held: settled.held,
    })
  if (outcome.kind === 'deferred' && next.do === 'defer')
    context.observer.deferred({ delivery, kind: endpoint.kind, until: next.until, outcome })
  if (settled.disabled !== null) {
    context.observer.endpointDisabled({ endpoint, reason: settled.disabled })
    context.cancelWaiting(delivery.appId, delivery.endpointId, 'all')
  }
  const dueAgainAt = next.do === 'retry' ? next.at : next.do === 'defer' ? next.until : null
  return {
    dueAgainAt: announce.length > 0 ? now : dueAgainAt,
    gotNoAnswer: outcome.kind === 'unreachable',
    pausedUntil: effect?.pausedUntil ?? null,
    restMs: restOf(outcome),
  }
}

/** A lack on this node says nothing about the endpoint, which other nodes may well reach. */
const restOf = (outcome: Outcome): number =>
  outcome.kind === 'deferred' && outcome.reason === 'node_exhausted' ? outcome.waitMs : 0

/** Ends a delivery whose endpoint is deleted or disabled, without an attempt. */
export async function cancel(context: RecordContext, delivery: LeasedDelivery): Promise<Recorded> {
  const { appId, msgId, endpointId, run, tries } = delivery
  await settle(context, {
    key: { appId, msgId, endpointId, run },
    owner: context.owner,
    tries,
    attempt: null,
    to: { state: 'cancelled', at: context.clock.now() },
    endpoint: null,
    announce: [],
  })
  context.observer.cancelled({ delivery })
  return { dueAgainAt: null, gotNoAnswer: false, pausedUntil: null, restMs: 0 }
}

interface Told {
  delivery: LeasedDelivery
  endpoint: Endpoint
  attempt: SettledAttempt | null
  isLast: boolean
  effect: EndpointEffect | null
  now: number
}

/** The events about the attempt for the application's operators, to be stored together with the attempt. */
async function announcementsOf(
  context: RecordContext,
  { delivery, endpoint, attempt, isLast, effect, now }: Told,
): Promise<Settlement['announce']> {
  const types =
    attempt === null || delivery.run > 0
      ? []
      : attemptEventType({
          succeeded: attempt.outcome === 'success',
          isLast,
          attempt: delivery.tries - delivery.spared + 1,
        })
  const mayDisable = effect !== null && (effect.disable !== null || effect.failure?.gaveUp === true)
  if (attempt === null || (types.length === 0 && !mayDisable)) return []
  const application = await context.applications.get(delivery.appId)
  if (application === null) return []

  const lastAttempt = {
    id: attempt.id,
    responseStatusCode: attempt.statusCode ?? 0,
    timestamp: new Date(attempt.at).toISOString(),
  }
  const held = types.map((type): OperationalEvent => ({
    type,
    data: {
      appId: application.id,
      appUid: application.uid,
      msgId: delivery.msgId,
      msgEventId: delivery.eventId,
      endpointId: endpoint.id,
      lastAttempt,
    },
  }))
  const failSince = new Date(endpoint.givenUpSince ?? endpoint.failingSince ?? attempt.at).toISOString()
  const disabled = mayDisable ? [endpointEvent('endpoint.disabled', application, endpoint, { failSince })] : []
  const whens = [...held.map(() => 'held' as const), ...disabled.map(() => 'disabled' as const)]
  const acceptances = await announcements(context, application.orgId, [...held, ...disabled], {
    now,
    hops: delivery.hops,
  })
  return acceptances.map((acceptance, i) => ({ when: whens[i] ?? 'held', acceptance }))
}

function destinationOf(next: Next, now: number): Settlement['to'] {
  switch (next.do) {
    case 'finish':
      return { state: 'delivered', at: now }
    case 'retry':
      return { state: 'pending', dueAt: next.at, isSpared: next.isSpared }
    case 'defer':
      return { state: 'pending', dueAt: next.until }
    case 'giveUp':
      return { state: 'failed', at: now }
    case 'disableEndpoint':
      return { state: 'cancelled', at: now }
    default:
      return next satisfies never
  }
}

/** The attempt's effect on its endpoint; null when there is none, or when the attempt only succeeded. */
export function effectOn(
  endpoint: Endpoint,
  given: {
    outcome: Outcome
    next: Next
    trigger: Trigger
    overload: Overload | null
    now: number
    disableAfterMs: number
  },
): EndpointEffect | null {
  const { outcome, now, disableAfterMs } = given
  const none: EndpointEffect = { failure: null, disable: null, pausedUntil: null }
  switch (outcome.kind) {
    case 'accepted':
    case 'rejected':
      return null
    case 'gone':
      return { ...none, disable: 'gone' }
    case 'deferred':
      return restOf(outcome) > 0 ? null : { ...none, pausedUntil: now + outcome.waitMs }
    case 'refused':
    case 'unreachable': {
      const pausedUntil = given.overload?.pausedUntil ?? null
      const gaveUp = given.next.do === 'giveUp'
      // An attempt by hand is a trial and says nothing. Only the ends of a known run of failures matter.
      const isNews = given.trigger === 'scheduled' && (gaveUp || endpoint.failingSince === null)
      if (pausedUntil === null && !isNews) return null
      return { ...none, failure: isNews ? { gaveUp, disableAfterMs } : null, pausedUntil }
    }
    default:
      return outcome satisfies never
  }
}

/** Null unless the endpoint answered that it is sent too much. */
function overloadOf(
  { pressure, clock, endpointDisableAfterMs }: RecordContext,
  { endpointId, lastAttemptAt, receivedAt }: LeasedDelivery,
  outcome: Outcome,
): Overload | null {
  if (outcome.kind !== 'refused' || !outcome.isOverload) return null
  const now = clock.now()
  const pausedUntil = now + (outcome.retryAfterMs || pressure.pauseMs(endpointId, now))
  // An event that is refused for days while others are taken is not waiting for its turn.
  const isOld = now - receivedAt > endpointDisableAfterMs
  return { pausedUntil, isTaking: !isOld && pressure.isTaking(endpointId, lastAttemptAt ?? receivedAt) }
}

const SETTLE_RETRY_MS = { first: 100, max: 5_000 }

const settle = (context: RecordContext, settlement: Settlement): Promise<Settled> =>
  persistently(context, () => context.queue.settle(settlement))

/** The receiver has seen the attempt, so the record must not be lost because the store was away for a while. */
async function persistently<T>(context: RecordContext, work: () => Promise<T>): Promise<T> {
  for (let waitMs = SETTLE_RETRY_MS.first; ; waitMs = Math.min(waitMs * 2, SETTLE_RETRY_MS.max)) {
    try {
      return await work()
    } catch (error) {
      const isTransient =
        error instanceof GatewayError && (error.code === 'store_unavailable' || error.code === 'overloaded')
      if (!isTransient) throw error
      context.observer.storeTrouble({ doing: 'record an attempt', error })
      await new Promise<void>((resolve) => context.clock.after(waitMs, resolve))
    }
  }
}
