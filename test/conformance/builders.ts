/** What the suites are built from. Each builder makes something valid; a test names only what it is about. */
import { attemptsWith } from '../../src/store/port/history.ts'
import { newest } from '../../src/store/port/page.ts'
import { randomBytes } from 'node:crypto'
import { type Application, DEFAULT_APP, DEFAULT_ORG } from '../../src/domain/application.ts'
import type { DeliveryInfo, DeliveryKey } from '../../src/domain/delivery.ts'
import { blankEndpoint, type Candidate, type Endpoint } from '../../src/domain/endpoint.ts'
import { type AppId, createIds, type EndpointId, type Id, type OrgId } from '../../src/domain/ids.ts'
import type { Message } from '../../src/domain/message.ts'
import type { Projected } from '../../src/domain/projected.ts'
import type { Answer } from '../../src/store/port/answers.ts'
import type { Extras, Acceptance } from '../../src/store/port/accept.ts'
import type { ClaimRequest, Claimed, EndpointEffect, SettledAttempt, Settlement } from '../../src/store/port/queue.ts'
import type { Lease } from '../../src/store/port/lease.ts'
import type { Store } from '../../src/store/store.ts'

/** An empty store for one test. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: Store
  /** Closes the store and opens the same data again. */
  reopen(): Promise<Store>
}
export type OpenStore = () => Promise<OpenedStore>

/** The tests' time. It lies in the future, so that nothing that looks at the clock by mistake finds it due. */
export const T0 = Date.UTC(2035, 0, 1)
export const SECOND = 1_000
export const MINUTE = 60_000
export const HOUR = 3_600_000

export const APP: AppId = DEFAULT_APP
export const OTHER_APP: AppId = 'app_00000000000000000000another'
/** Two nodes that share the store. */
export const A = 'node_a'
export const B = 'node_b'

const ids = createIds({ now: () => T0, randomBytes })
export const newId = <K extends string>(prefix: K, at = T0): Id<K> => ids.next(prefix, at)

export const leaseOf = (owner: string, until = T0 + MINUTE): Lease => ({ owner, until })

export const ORG: OrgId = DEFAULT_ORG
export const OTHER_ORG: OrgId = 'org_00000000000000000000another'

export function application(given: Partial<Application> = {}): Application {
  return {
    orgId: ORG,
    id: newId('app', given.createdAt),
    uid: null,
    name: 'Customer',
    throttleRate: null,
    metadata: {},
    createdAt: T0,
    updatedAt: given.createdAt ?? T0,
    ...given,
  }
}

/** Sees to it that there is such an application; endpoints cannot be without. */
export async function haveApplication(store: Store, id: AppId): Promise<void> {
  if ((await store.getApplication(id)) === null) await store.createApplication(application({ id }))
}

export function endpoint(given: Partial<Endpoint> = {}): Endpoint {
  return {
    ...blankEndpoint({ appId: APP, id: newId('ep', given.createdAt), now: T0 }),
    url: 'https://receiver.example/hooks',
    updatedAt: given.createdAt ?? T0,
    ...given,
  }
}

/** What is read of an endpoint where nothing secret is needed. */
export function candidate(of: Endpoint): Candidate {
  const { headers, secrets, ...rest } = of
  void headers
  void secrets
  return rest
}

export async function createEndpoint(store: Store, given: Partial<Endpoint> = {}): Promise<EndpointId> {
  const created = endpoint(given)
  if (created.appId !== APP) await haveApplication(store, created.appId)
  await store.createEndpoint(created)
  return created.id
}

export const createEndpoints = (store: Store, count: number): Promise<EndpointId[]> =>
  Promise.all(Array.from({ length: count }, () => createEndpoint(store)))

export function message(given: Partial<Message> = {}): Message {
  return {
    appId: APP,
    id: newId('msg', given.receivedAt),
    eventId: null,
    eventType: 'user.created',
    channels: null,
    audience: 'all',
    tags: null,
    contentType: 'application/json',
    receivedAt: T0,
    expiresAt: T0 + 24 * HOUR,
    payload: Buffer.from('{"hello":"world"}'),
    shownPayload: null,
    hops: 0,
    deliverAt: null,
    ...given,
  }
}

type GivenAcceptance = Partial<Message> & {
  lease?: Lease | null
  dueAt?: number
  idempotency?: Acceptance['idempotency']
  inbox?: Projected['row']
  answer?: Acceptance['answer']
}

/** A message for these endpoints; its deliveries are due at once unless `lease` is given. */
export const acceptance = (to: readonly EndpointId[], given: GivenAcceptance = {}): Acceptance => {
  const { lease = null, dueAt = T0, idempotency = null, inbox, answer = null, ...ofMessage } = given
  return {
    message: message(ofMessage),
    deliveries: to.map((endpointId) => ({ endpointId, lease, dueAt })),
    idempotency,
    ...(inbox && { projected: { into: 'inbox', row: inbox } }),
    answer,
  }
}

/** The answer to a request that came at T0, good for twelve hours. */
export const answer = (given: Partial<Answer> = {}): Answer => ({
  orgId: ORG,
  key: 'key',
  status: 201,
  body: '{"id":"first"}',
  at: T0,
  expiresAt: T0 + 12 * HOUR,
  ...given,
})

/** What a write may bring along. */
export const extras = (given: Partial<Extras> = {}): Extras => ({ answer: null, announce: [], ...given })

/** What `renew`, `release` and `settle` name a held delivery by. */
export type Held = DeliveryKey & { tries: number }

/** Accepts one message for one endpoint and returns the name of its delivery. */
export async function acceptFor(store: Store, endpointId: EndpointId, given: GivenAcceptance = {}): Promise<Held> {
  const accepted = acceptance([endpointId], given)
  await store.accept([accepted])
  return { appId: accepted.message.appId, msgId: accepted.message.id, endpointId, run: 0, tries: 0 }
}

/** Accepts `count` messages for one endpoint, due at `dueAt` and each later one a millisecond later. */
export async function acceptMany(store: Store, endpointId: EndpointId, count: number, dueAt = T0): Promise<void> {
  const due = (i: number) => dueAt - count + 1 + i
  await store.accept(Array.from({ length: count }, (_, i) => acceptance([endpointId], { dueAt: due(i) })))
}

/** One message with a delivery that `A` holds. */
export async function acceptHeld(store: Store, given: GivenAcceptance = {}): Promise<Held> {
  return acceptFor(store, await createEndpoint(store), { lease: leaseOf(A), ...given })
}

/** Claims as much as there is, unless told otherwise; the lease lasts a minute. */
export function claim(store: Store, owner: string, given: Partial<ClaimRequest> = {}): Promise<Claimed> {
  const now = given.now ?? T0
  return store.claim({
    lease: leaseOf(owner, now + MINUTE),
    now,
    max: 100,
    perEndpointMax: 100,
    payloadBytesMax: 1_000_000_000,
    skip: [],
    perApplicationMax: Infinity,
    skipApplications: [],
    ...given,
  })
}

const ATTEMPT: Omit<SettledAttempt, 'id' | 'at'> = {
  url: 'https://receiver.example/hooks',
  trigger: 'scheduled',
  outcome: 'success',
  statusCode: 204,
  error: null,
  durationMs: 12,
  response: null,
}

export const succeeded = (at = T0, given: Partial<SettledAttempt> = {}): SettledAttempt => ({
  ...ATTEMPT,
  id: newId('atmpt', at),
  at,
  ...given,
})

export const failed = (at = T0, given: Partial<SettledAttempt> = {}): SettledAttempt =>
  succeeded(at, { outcome: 'failed_attempt', statusCode: 500, error: 'answered 500', ...given })

/** The end of an attempt by `A`: a success, unless told otherwise. */
export function settlement(held: Held, given: Partial<Settlement> = {}): Settlement {
  const { appId, msgId, endpointId, run, tries } = held
  return {
    key: { appId, msgId, endpointId, run },
    owner: A,
    tries,
    attempt: succeeded(),
    to: { state: 'delivered', at: T0 },
    endpoint: null,
    announce: [],
    ...given,
  }
}

/** A failed attempt at `at`, after which there is another one at `dueAt`. */
export const retrying = (held: Held, at: number, dueAt: number, given: Partial<Settlement> = {}): Settlement =>
  settlement(held, { attempt: failed(at), to: { state: 'pending', dueAt }, ...given })

/** The last attempt of the schedule fails at `at`. */
export const givingUp = (held: Held, at = T0, given: Partial<Settlement> = {}): Settlement =>
  settlement(held, { attempt: failed(at, { outcome: 'failure' }), to: { state: 'failed', at }, ...given })

/** An attempt that only tells about its endpoint. */
export const effect = (given: Partial<EndpointEffect>): EndpointEffect => ({
  failure: null,
  disable: null,
  pausedUntil: null,
  ...given,
})

/** Asks for a manual attempt, which has to be granted, and returns its run. */
export async function runOfManual(store: Store, delivery: Omit<DeliveryKey, 'run'>, now = T0): Promise<number> {
  const answer = await store.resend(delivery, now)
  if (typeof answer === 'string') throw new Error(`there is no manual attempt: ${answer}`)
  return answer.run
}

/** Asks for a manual attempt and has `owner` claim it. */
export async function claimManual(store: Store, delivery: Held, owner = A, now = T0): Promise<Held> {
  await store.resend(delivery, now)
  const { deliveries } = await claim(store, owner, { now })
  const manual = deliveries.find((one) => one.run > 0 && one.msgId === delivery.msgId)
  if (manual === undefined) throw new Error('the manual attempt was not claimed')
  return manual
}

export const manualSuccess = (held: Held, at = T0): Settlement =>
  settlement(held, { attempt: succeeded(at, { trigger: 'manual' }), to: { state: 'delivered', at } })

export const manualFailure = (held: Held, at = T0): Settlement =>
  settlement(held, { attempt: failed(at, { trigger: 'manual', outcome: 'failure' }), to: { state: 'failed', at } })

/** The delivery as it is on record. */
export async function deliveryOf(store: Store, key: DeliveryKey): Promise<DeliveryInfo | undefined> {
  const all = await store.deliveriesOf(key.appId, key.msgId)
  return all.find((delivery) => delivery.endpointId === key.endpointId)
}

export const attemptsOf = (store: Store, key: DeliveryKey, limit = 100) =>
  store.listAttempts(attemptsWith({ appId: key.appId, msgId: key.msgId }), newest(limit))

export const keyText = (key: DeliveryKey): string => `${key.msgId}/${key.endpointId}/${key.run}`
export const keyOf = ({ appId, msgId, endpointId, run }: DeliveryKey): DeliveryKey => ({
  appId,
  msgId,
  endpointId,
  run,
})

/** Bytes as text, to be compared by eye. */
export const text = (bytes: Uint8Array | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString()
