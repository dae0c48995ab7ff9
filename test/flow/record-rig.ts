/** What an attempt is recorded with: a store that answers as it is told, and a clock that the test moves. */
import { createApplicationCache } from '../../src/cache/application-cache.ts'
import { createEndpointCache } from '../../src/cache/endpoint-cache.ts'
import type { Outcome } from '../../src/domain/delivery.ts'
import { createIds } from '../../src/domain/ids.ts'
import { MANAGEMENT_ORG } from '../../src/domain/operational.ts'
import type { RecordContext } from '../../src/flow/record.ts'
import { createLog } from '../../src/lib/log.ts'
import type { LeasedDelivery, Queue, Settled, Settlement } from '../../src/store/port/queue.ts'
import { fanOut } from '../../src/telemetry/fan-out.ts'
import { createLogSink } from '../../src/telemetry/log.ts'
import { application, endpoint, newId } from '../conformance/builders.ts'
import { createFakeClock } from '../fake-clock.ts'

export const SECOND = 1_000
export const HOUR = 3_600 * SECOND
export const DISABLE_AFTER = 120 * HOUR
/** What an endpoint that does not say how long is left alone. */
export const PAUSE = 3 * SECOND
export const NOW = Date.UTC(2035, 0, 1)

export const accepted: Outcome = { kind: 'accepted', statusCode: 204, response: null }
export const refusedWith = (retryAfterMs: number | null): Outcome => ({
  kind: 'refused',
  statusCode: 503,
  response: 'busy',
  error: 'answered 503',
  isOverload: true,
  retryAfterMs,
})
export const gone: Outcome = { kind: 'gone', statusCode: 410, response: null, error: 'answered 410' }
export const rejected: Outcome = { kind: 'rejected', statusCode: 422, response: null, error: 'too large' }
export const unreachable: Outcome = { kind: 'unreachable', error: 'timed out after 10s' }
export const deferred: Outcome = { kind: 'deferred', reason: 'rate_limited', error: 'busy', waitMs: 5 * SECOND }
export const lack: Outcome = { kind: 'deferred', reason: 'node_exhausted', error: 'EMFILE', waitMs: SECOND }

const SETTLED: Settled = { held: true, number: 1, outcome: null, endpointChanged: false, disabled: null }

/** The endpoint's application, and the one in the management organization through which its owners are told. */
export const OWNED = application({ uid: 'customer' })
export const TOLD = application({ orgId: MANAGEMENT_ORG, uid: OWNED.orgId })

/** Settlements that the store is asked for; each is answered, or refused, by the next of `answers`, the last one for ever. */
export function scripted(...answers: (Partial<Settled> | Error)[]) {
  const settlements: Settlement[] = []
  const toCancel: string[] = []
  let isDisabled = false
  const queue = {
    settle(settlement: Settlement) {
      const answer = answers[Math.min(settlements.length, answers.length - 1)] ?? {}
      settlements.push(settlement)
      if (answer instanceof Error) return Promise.reject(answer)
      isDisabled ||= (answer.disabled ?? null) !== null
      return Promise.resolve({ ...SETTLED, ...answer })
    },
  } satisfies Partial<Queue>
  const lines: Record<string, unknown>[] = []
  const { log } = createLog('info', { write: (line) => void lines.push(JSON.parse(line)) })
  const clock = createFakeClock({ start: NOW })
  const receiver = endpoint({ url: 'https://receiver.example/hooks', appId: OWNED.id, uid: 'ours' })
  const listener = endpoint({ appId: TOLD.id })
  let isListening = false
  let takenAt = -Infinity
  const context: RecordContext = {
    queue: queue as Partial<Queue> as Queue,
    cache: createEndpointCache({
      getEndpoint: () => Promise.resolve(isDisabled ? { ...receiver, disabled: true } : receiver),
      endpointsOf: (appId) => Promise.resolve(appId === TOLD.id ? [listener] : [receiver]),
    }),
    applications: createApplicationCache({
      findApplication: (orgId, uid) =>
        Promise.resolve(isListening && orgId === MANAGEMENT_ORG && uid === OWNED.orgId ? TOLD : null),
      getApplication: (id) => Promise.resolve(id === OWNED.id ? OWNED : id === TOLD.id ? TOLD : null),
    }),
    messageRetentionMs: HOUR,
    clock,
    ids: createIds({ now: () => clock.now(), randomBytes: (n) => new Uint8Array(n) }),
    observer: fanOut([createLogSink(log)]),
    pressure: { took: () => {}, pauseMs: () => PAUSE, isTaking: (_id, since) => takenAt >= since },
    random: () => 0.5,
    owner: 'node_a',
    cancelWaiting: (...what) => void toCancel.push(what.join(' ')),
    retryScheduleMs: [10 * SECOND],
    endpointDisableAfterMs: DISABLE_AFTER,
  }
  const held = (given: Partial<LeasedDelivery> = {}): LeasedDelivery => ({
    appId: receiver.appId,
    msgId: newId('msg'),
    endpointId: receiver.id,
    run: 0,
    tries: 0,
    spared: 0,
    lastAttemptAt: null,
    leaseUntil: NOW + 60 * SECOND,
    eventId: null,
    eventType: 'user.created',
    contentType: 'application/json',
    receivedAt: NOW - 250,
    payload: Buffer.from('{"secret":"of the customer"}'),
    hops: 0,
    ...given,
  })
  /** From now on the owners of the application listen. */
  const listen = () => {
    isListening = true
    return listener
  }
  /** When the endpoint took something last. */
  const taken = (at: number) => void (takenAt = at)
  return { context, taken, clock, settlements, lines, receiver, held, listen, toCancel }
}

export const tried = (outcome: Outcome) => ({ outcome, at: NOW - 40, durationMs: 40 })
