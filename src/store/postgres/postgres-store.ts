import { GatewayError } from '../../domain/errors.ts'
import { LIMITS } from '../../domain/limits.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store.ts'
import type { Tasks } from '../tasks.ts'
import type { EventTypes } from '../tenants.ts'
import {
  createApplication,
  deleteApplication,
  findApplication,
  getApplication,
  listApplications,
  updateApplication,
} from './applications.ts'
import { getAnswer, saveAnswer } from './answers.ts'
import type { OnBatch } from './batcher.ts'
import { claim } from './claim.ts'
import { RETRY_SHARE } from './choose.ts'
import { Pool, type PoolOptions } from './database.ts'
import {
  createEndpoint,
  deleteEndpoint,
  endpointsOf,
  findEndpoint,
  getEndpoint,
  listEndpoints,
  pageEndpoints,
  updateEndpoint,
} from './endpoints.ts'
import { type Gates, openGates } from './gates.ts'
import { inboxStats, listInbox } from './inbox.ts'
import { foldCounts } from './inbox-counts.ts'
import type { LaneKey } from './lanes.ts'
import { cancelWaiting, release, renew, requestManualAttempt, sweep } from './leases.ts'
import { Listener } from './listener.ts'
import { attemptsOfEndpoint, attemptsOfMessage, deliveriesOf, getMessage, getPayload } from './messages.ts'
import { backlog, problem, secret } from './operations.ts'
import { Partitions } from './partitions.ts'
import { type PayloadCursor, pruneAttempts, pruneIdempotency, prunePayloads } from './retention.ts'
import { BY_INDEX, PLANNED_ONCE, prepareDatabase, sessionSettings } from './start.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  url: string
  onBatch?: OnBatch
  /** Another node made something due, at this time or before. */
  onDue?: (at: number) => void
  /** Something went wrong that nobody waits for; it heals by itself or is tried again. */
  onTrouble?: (doing: string, error: unknown) => void
  /** Connections of this node at most, without the one that listens. */
  poolMax?: number
  /** How long opening waits for a database that does not answer yet. */
  openTimeoutMs?: number
  connectTimeoutMs?: number
  /** Longest that an operation takes before it is refused. */
  timeoutMs?: number
  /** For tests: take a server that does not flush its disk. */
  allowUnsafeFsync?: boolean
}

const POOL_MAX = 14
const SHARES = { writes: 8, points: 4, lists: 2 }
/** Longer than the server's own time-outs, so that it is the server that gives up, and its connection can go on. */
const GRACE_MS = 2_000
/** How long a probe waits before it says that there is a problem. */
const PROBE_TIMEOUT_MS = 3_000

/** What this engine does not know yet: event types, lists of messages and attempts, tasks. */
type Missing = keyof EventTypes | keyof Log | keyof Tasks | 'resend'

const MISSING: readonly Missing[] = [
  'createEventType',
  'updateEventType',
  'removeEventType',
  'getEventType',
  'knownEventTypes',
  'listEventTypes',
  'findMessage',
  'getShownPayload',
  'listMessages',
  'listAttempts',
  'getAttempt',
  'listAttemptedMessages',
  'listAttemptedEndpoints',
  'countDeliveries',
  'expungeMessage',
  'expungeAttempt',
  'createTask',
  'getTask',
  'listTasks',
  'stepTask',
  'resend',
]

/** Refused, and never half done. */
function missing(): Pick<Store, Missing> {
  const refuse = () =>
    Promise.reject(new GatewayError('internal', { detail: 'This is not possible on PostgreSQL yet.' }))
  return Object.fromEntries(MISSING.map((name) => [name, refuse])) as unknown as Pick<Store, Missing>
}

/** The store at scale: many nodes on one PostgreSQL. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { url, onTrouble = () => {}, openTimeoutMs = 30_000, connectTimeoutMs = 5_000 } = options
  const timeoutMs = options.timeoutMs ?? Math.min(LIMITS.writeTimeoutMs, LIMITS.readTimeoutMs)
  const { synchronousCommit } = await prepareDatabase({
    url,
    openTimeoutMs,
    connectTimeoutMs,
    allowUnsafeFsync: options.allowUnsafeFsync ?? false,
  })
  await using stack = new AsyncDisposableStack()
  const session = sessionSettings(synchronousCommit)
  const openPool = (share: number, settings: PoolOptions['settings']) => {
    const max = Math.max(2, Math.round(((options.poolMax ?? POOL_MAX) * share) / POOL_MAX))
    const pool = new Pool({
      url,
      max,
      settings: { ...session, ...settings, statement_timeout: timeoutMs },
      connectTimeoutMs,
      queryTimeoutMs: timeoutMs + GRACE_MS,
      onTrouble,
    })
    stack.defer(() => pool.close())
    return { pool, max }
  }
  const writes = openPool(SHARES.writes, { ...BY_INDEX, ...PLANNED_ONCE })
  const points = openPool(SHARES.points, BY_INDEX)
  const lists = openPool(SHARES.lists, {})
  const pools = { writes: writes.pool, points: points.pool, lists: lists.pool }
  const partitions = new Partitions(pools.writes, onTrouble)
  await partitions.maintain()

  if (options.onDue !== undefined) {
    const { onDue } = options
    const isOwn = (processId: number) => pools.writes.processes.has(processId)
    const listener = new Listener({ url, settings: session, connectTimeoutMs, onTrouble, onDue, isOwn })
    stack.defer(() => listener.close())
    await listener.start()
  }
  const gates = openGates(pools.writes, partitions, {
    onBatch: options.onBatch,
    timeoutMs,
    writesMax: writes.max,
    pointsMax: points.max,
  })
  stack.defer(() => gates.close())
  const owned = stack.move()
  return { ...missing(), ...verbs(pools, partitions, gates), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Pools {
  writes: Pool
  points: Pool
  lists: Pool
}

function verbs({ writes, points, lists }: Pools, partitions: Partitions, gates: Gates): Omit<Store, symbol | Missing> {
  let turn = 0
  let sweepCursor: LaneKey | null = null
  let payloadCursor: PayloadCursor | null = null
  return {
    accept: (acceptances) => (acceptances.length === 0 ? Promise.resolve([]) : gates.accept(acceptances)),
    settle: gates.settle,
    claim: (request) =>
      gates.write(() => {
        turn = (turn + 1) % RETRY_SHARE
        return claim({ writes, points }, request, turn)
      }),
    renew: (held, lease) => gates.write(() => renew(writes, held, lease)),
    release: (held, owner, dueAt) => gates.write(() => release(writes, held, owner, dueAt)),
    sweep: (now, max) =>
      gates.write(async () => {
        const { cursor, ...found } = await sweep(writes, sweepCursor, { now, max })
        sweepCursor = cursor
        return found
      }),
    requestManualAttempt: (key, now) => gates.write(() => requestManualAttempt(writes, key, now)),
    cancelWaiting: (appId, endpointId, max) => gates.write(() => cancelWaiting(writes, appId, endpointId, max)),
    createApplication: (application, extras) => gates.write(() => createApplication(writes, application, extras)),
    updateApplication: (application, unchangedSince) =>
      gates.write(() => updateApplication(writes, application, unchangedSince)),
    deleteApplication: (orgId, id, now) => gates.write(() => deleteApplication(writes, orgId, id, now)),
    findApplication: (orgId, idOrUid) => gates.point(() => findApplication(points, orgId, idOrUid)),
    getApplication: (id) => gates.point(() => getApplication(points, id)),
    listApplications: (orgId, page) => gates.list(() => listApplications(lists, orgId, page)),
    findEndpoint: (appId, idOrUid) => gates.point(() => findEndpoint(points, appId, idOrUid)),
    pageEndpoints: (appId, page) => gates.list(() => pageEndpoints(lists, appId, page)),
    createEndpoint: (endpoint, extras) => gates.write(() => createEndpoint(writes, endpoint, extras)),
    updateEndpoint: (endpoint, unchangedSince, extras) =>
      gates.write(() => updateEndpoint(writes, endpoint, unchangedSince, extras)),
    deleteEndpoint: (appId, id, now, extras) => gates.write(() => deleteEndpoint(writes, { appId, id }, now, extras)),
    secret: (name, create) => gates.write(() => secret(writes, name, create())),
    saveAnswer: (answer) => gates.write(() => saveAnswer(writes, answer)),
    pruneAttempts: (before, max) =>
      gates.write(async () => {
        await partitions.maintain()
        return pruneAttempts(writes, before, max)
      }),
    prunePayloads: (now, max) =>
      gates.write(async () => {
        await foldCounts(writes)
        const { count, cursor } = await prunePayloads(writes, payloadCursor, { now, max })
        payloadCursor = cursor
        return count
      }),
    pruneIdempotency: (now, max) => gates.write(() => pruneIdempotency(writes, now, max)),
    getAnswer: (orgId, key, now) => gates.point(() => getAnswer(points, orgId, key, now)),
    getEndpoint: (appId, id) => gates.point(() => getEndpoint(points, appId, id)),
    endpointsOf: (appId) => gates.point(() => endpointsOf(points, appId)),
    getMessage: (appId, id) => gates.point(() => getMessage(points, appId, id)),
    getPayload: (appId, id) => gates.point(() => getPayload(points, appId, id)),
    deliveriesOf: (appId, id) => gates.point(() => deliveriesOf(points, appId, id)),
    problem: () =>
      orAfter(
        PROBE_TIMEOUT_MS,
        gates.point(() => problem(points)).catch((error: Error) => error.message),
      ),
    listEndpoints: (query) => gates.list(() => listEndpoints(lists, query)),
    listInbox: (query) => (query.q === null ? gates.list : gates.search)(() => listInbox(lists, query)),
    inboxStats: () => gates.list(() => inboxStats(lists)),
    attemptsOfMessage: (query) => gates.list(() => attemptsOfMessage(lists, query)),
    attemptsOfEndpoint: (query) => gates.list(() => attemptsOfEndpoint(lists, query)),
    backlog: (now) => gates.list(() => backlog(lists, now)),
  }
}

/** What is wrong, or that nothing was heard until now. */
async function orAfter(ms: number, problem: Promise<string | null>): Promise<string | null> {
  let stop = (): void => {}
  const silence = new Promise<string>((resolve) => {
    const timer = systemClock.after(ms, () => resolve(`the database has not answered for ${ms / 1_000} s`))
    stop = () => timer.cancel()
  })
  return Promise.race([problem, silence]).finally(stop)
}
