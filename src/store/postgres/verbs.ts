/** Which verb runs on which connections, and what it waits for before. */
import type { Encryption } from '../../domain/encryption.ts'
import { encryptedVerbs } from '../endpoint-codec.ts'
import type { Log } from '../log.ts'
import type { Answers } from '../once.ts'
import type { Endpoints, Inbox, Messages, Queue, Retention, Store } from '../store.ts'
import type { Tasks } from '../tasks.ts'
import type { Applications, EventTypes } from '../tenants.ts'
import { getAnswer, saveAnswer } from './answers.ts'
import {
  createApplication,
  deleteApplication,
  findApplication,
  getApplication,
  listApplications,
  updateApplication,
} from './applications.ts'
import { attemptsOfEndpoint, attemptsOfMessage, expungeAttempt, getAttempt, listAttempts } from './attempts.ts'
import { RETRY_SHARE } from './choose.ts'
import { claim } from './claim.ts'
import { ClaimsInDoubt } from './claims-in-doubt.ts'
import { putClockBack } from './clock-step.ts'
import type { Pool } from './database.ts'
import { countDeliveries, listAttemptedEndpoints } from './endpoint-log.ts'
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
import {
  createEventType,
  getEventType,
  knownEventTypes,
  listEventTypes,
  removeEventType,
  updateEventType,
} from './event-types.ts'
import type { Gates } from './gates.ts'
import { inboxStats, listInbox } from './inbox.ts'
import { foldCounts } from './inbox-counts.ts'
import type { LaneKey } from './lanes.ts'
import { cancelWaiting, release, renew, sweep } from './leases.ts'
import { listAttemptedMessages, listMessages } from './lists.ts'
import { requestManualAttempt, resend } from './manual.ts'
import { expungeMessage, holdersOf, recentlyExpunged } from './expunge.ts'
import { deliveriesOf, findMessage, getMessage, getPayload, getShownPayload } from './messages.ts'
import { heldDeliveries, holdEndpoint } from './hold.ts'
import { backlog, problem, secret } from './operations.ts'
import type { Partitions } from './partitions.ts'
import { type PayloadCursor, pruneAttempts, pruneIdempotency, prunePayloads } from './retention.ts'
import { createTask, getTask, listTasks, stepTask } from './tasks.ts'

/** What the verbs run on. */
export interface Parts {
  encryption: Encryption
  writes: Pool
  points: Pool
  /** Walks an index for one page, whatever the server knows about the tables. */
  lists: Pool
  /** May read whole tables. */
  searches: Pool
  partitions: Partitions
  gates: Gates
}

export const verbs = (parts: Parts): Omit<Store, symbol> => ({
  ...queueVerbs(parts),
  ...tenantVerbs(parts),
  ...endpointVerbs(parts),
  ...messageVerbs(parts),
  ...retentionVerbs(parts),
})

type Own = Pick<Store, 'problem' | 'waiting'>

function queueVerbs({ writes, points, lists, searches, partitions, gates }: Parts): Queue & Tasks {
  const writer = { pool: writes, partitions }
  const doubts = new ClaimsInDoubt()
  let turn = 0
  let sweepCursor: LaneKey | null = null
  return {
    accept: (acceptances) => (acceptances.length === 0 ? Promise.resolve([]) : gates.accept(acceptances)),
    settle: gates.settle,
    claim: (request) =>
      gates.write(() => {
        turn = (turn + 1) % RETRY_SHARE
        return claim({ writes, points }, doubts, request, turn)
      }),
    renew: (held, lease) =>
      gates.write(() => renew({ write: (sql, ...values) => writes.write(sql, ...values) }, held, lease)),
    release: (held, owner, dueAt) => gates.write(() => release(writes, held, owner, dueAt)),
    sweep: (now, max) =>
      gates.write(async () => {
        const { cursor, ...found } = await sweep(writes, sweepCursor, { now, max })
        sweepCursor = cursor
        return found
      }),
    putClockBack: (step, from, max) => gates.write(() => putClockBack(writes, step, from, max)),
    requestManualAttempt: (key, now) => gates.write(() => requestManualAttempt(writes, key, now)),
    resend: (key, now, extras) => gates.write(() => resend(writer, key, now, extras)),
    cancelWaiting: (appId, endpointId, step) => gates.write(() => cancelWaiting(writes, appId, endpointId, step)),
    backlog: (now) => gates.list(() => backlog(searches, now)),
    heldDeliveries: () => gates.list(() => heldDeliveries(searches)),
    holdEndpoint: (endpoint, now) => gates.write(() => holdEndpoint(writes, endpoint, now)),
    createTask: (task, extras, max) => gates.write(() => createTask(writer, task, extras, max)),
    stepTask: (now, max) => gates.write(() => stepTask(writes, now, max)),
    getTask: (orgId, id) => gates.point(() => getTask(points, orgId, id)),
    listTasks: (query, page) => gates.list(() => listTasks(lists, query, page)),
  }
}

function tenantVerbs({ writes, points, lists, partitions, gates }: Parts): Applications & EventTypes & Answers & Own {
  const writer = { pool: writes, partitions }
  return {
    createApplication: (application, extras) => gates.write(() => createApplication(writer, application, extras)),
    updateApplication: (application, unchangedSince) =>
      gates.write(() => updateApplication(writes, application, unchangedSince)),
    deleteApplication: (orgId, id, now) => gates.write(() => deleteApplication(writes, orgId, id, now)),
    findApplication: (orgId, idOrUid) => gates.point(() => findApplication(points, orgId, idOrUid)),
    getApplication: (id) => gates.point(() => getApplication(points, id)),
    listApplications: (orgId, page) => gates.list(() => listApplications(lists, orgId, page)),
    createEventType: (eventType, extras) => gates.write(() => createEventType(writer, eventType, extras)),
    updateEventType: (eventType, unchangedSince) =>
      gates.write(() => updateEventType(writes, eventType, unchangedSince)),
    removeEventType: (orgId, name) => gates.write(() => removeEventType(writes, orgId, name)),
    getEventType: (orgId, name) => gates.point(() => getEventType(points, orgId, name)),
    knownEventTypes: (orgId, names) => gates.point(() => knownEventTypes(points, orgId, names)),
    listEventTypes: (query, page) => gates.list(() => listEventTypes(lists, query, page)),
    getAnswer: (orgId, key, now) => gates.point(() => getAnswer(points, orgId, key, now)),
    saveAnswer: (answer) => gates.write(() => saveAnswer(writes, answer)),
    waiting: () => gates.waiting(),
    problem: () => gates.write(() => problem(writes)),
  }
}

function endpointVerbs({
  encryption,
  writes,
  points,
  lists,
  partitions,
  gates,
}: Parts): Endpoints & Pick<Store, 'secret'> {
  const writer = { pool: writes, partitions }
  const secretVerbs = encryptedVerbs(encryption, {
    createEndpoint: (endpoint, extras, max) => gates.write(() => createEndpoint(writer, endpoint, extras, max)),
    updateEndpoint: (endpoint, unchangedSince, extras) =>
      gates.write(() => updateEndpoint(writer, endpoint, unchangedSince, extras)),
    getEndpoint: (appId, id) => gates.point(() => getEndpoint(points, appId, id)),
    findEndpoint: (appId, idOrUid) => gates.point(() => findEndpoint(points, appId, idOrUid)),
    listEndpoints: (query) => gates.list(() => listEndpoints(lists, query)),
    secret: (name, fresh) => gates.write(() => secret(writes, name, fresh)),
  })
  return {
    ...secretVerbs,
    deleteEndpoint: (appId, id, now, extras) => gates.write(() => deleteEndpoint(writer, { appId, id }, now, extras)),
    endpointsOf: (appId) => gates.point(() => endpointsOf(points, appId)),
    pageEndpoints: (appId, page) => gates.list(() => pageEndpoints(lists, appId, page)),
  }
}

function messageVerbs({ writes, points, lists, searches, gates }: Parts): Messages & Log & Inbox {
  return {
    getMessage: (appId, id) => gates.point(() => getMessage(points, appId, id)),
    findMessage: (appId, idOrEventId) => gates.point(() => findMessage(points, appId, idOrEventId)),
    getPayload: (appId, id) => gates.point(() => getPayload(points, appId, id)),
    getShownPayload: (appId, id) => gates.point(() => getShownPayload(points, appId, id)),
    deliveriesOf: (appId, id) => gates.point(() => deliveriesOf(points, appId, id)),
    holdersOf: (appId, id) => gates.point(() => holdersOf(points.ask, appId, id)),
    recentlyExpunged: (withinMs) => gates.point(() => recentlyExpunged(points, withinMs)),
    getAttempt: (appId, msgId, id) => gates.point(() => getAttempt(points, appId, msgId, id)),
    listMessages: (filter, page, withContent) => gates.list(() => listMessages(lists, filter, page, withContent)),
    listAttempts: (filter, page) => gates.list(() => listAttempts(lists, filter, page)),
    listAttemptedMessages: (filter, page, withContent) =>
      gates.list(() => listAttemptedMessages(lists, filter, page, withContent)),
    listAttemptedEndpoints: (appId, msgId, page) => gates.list(() => listAttemptedEndpoints(lists, appId, msgId, page)),
    countDeliveries: (query) => gates.list(() => countDeliveries(lists, query)),
    attemptsOfMessage: (query) => gates.list(() => attemptsOfMessage(lists, query)),
    attemptsOfEndpoint: (query) => gates.list(() => attemptsOfEndpoint(lists, query)),
    expungeMessage: (appId, id) => gates.write(() => expungeMessage(writes, appId, id)),
    expungeAttempt: (appId, msgId, id) => gates.write(() => expungeAttempt(writes, appId, msgId, id)),
    listInbox: (query) => (query.q === null ? gates.list : gates.search)(() => listInbox(searches, query)),
    inboxStats: () => gates.list(() => inboxStats(searches)),
  }
}

function retentionVerbs({ writes, partitions, gates }: Parts): Retention {
  let payloadCursor: PayloadCursor | null = null
  return {
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
  }
}
