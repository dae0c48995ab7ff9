/**
 * Accepting a batch: one question which of its keys are known, and one statement that stores all that is news, in all
 * tables. A statement is a transaction, so that a batch takes two round trips and one commit.
 *
 * Two nodes may be given the same event at the same time. Neither sees the other's, so both insert; the unique index lets
 * the second wait for the first. If the first commits, the second fails as a whole, asks again, and now finds it; if the
 * first is rolled back, the second's insert simply goes on. Keys are inserted in sorted order, so that two batches with
 * several keys in common do not wait for each other.
 */
import { timestampKey, foldCase } from '../../domain/inbox.ts'
import type { Accepted, Acceptance } from '../store.ts'
import { type Pool, statement } from './database.ts'
import { HOUR_CHARS } from './inbox-counts.ts'
import { addToLanesFrom, givenLanes, laneValues, type Waiting } from './lanes.ts'
import { noteDue } from './notify.ts'
import { PAYLOAD, type Partitions } from './partitions.ts'
import { isUniqueViolation } from './trouble.ts'
import { concatenated, numberArray, textArray } from './values.ts'

export type AcceptCall = readonly Acceptance[]

interface Known {
  messageId: Accepted['messageId']
  deliveries: number
}

/** Every turn but the first follows the commit of a repeat on another node; nobody has that many. */
const TURNS_MAX = 20
const KEYS_OF_EVENTS = ['idempotency_pkey', 'msg_event_id', 'messages_pkey']

/** Stores each message with its deliveries and its idempotency record, unless it was stored before. All calls, or none. */
export async function accept(pool: Pool, partitions: Partitions, calls: readonly AcceptCall[]): Promise<Accepted[][]> {
  for (let turn = 1; ; turn++) {
    const known = await lookUp(pool, calls.flat())
    const news: Acceptance[] = []
    const answers = calls.map((call) => call.map((acceptance) => answerTo(acceptance, known, news)))
    if (news.length === 0) return answers
    try {
      const expiries = news.map(({ message }) => message.expiresAt)
      await partitions.ready(PAYLOAD, expiries)
      await store(pool, news)
      return answers
    } catch (error) {
      if (turn >= TURNS_MAX || !isUniqueViolation(error, KEYS_OF_EVENTS)) throw error
    }
  }
}

const keysOf = ({ message, idempotency, inbox }: Acceptance): string[] => {
  const keys: string[] = []
  if (idempotency !== null) keys.push(['i', message.appId, idempotency.scope, idempotency.key].join('\0'))
  if (message.eventId !== null) keys.push(['e', message.appId, message.eventId].join('\0'))
  if (inbox !== null) keys.push(`m\0${inbox.messageId}`)
  return keys
}

/** What is news is known to those after it. */
function answerTo(acceptance: Acceptance, known: Map<string, Known>, news: Acceptance[]): Accepted {
  const keys = keysOf(acceptance)
  for (const key of keys) {
    const first = known.get(key)
    if (first !== undefined) return { duplicate: true, ...first }
  }
  const answer = { messageId: acceptance.message.id, deliveries: acceptance.deliveries.length }
  for (const key of keys) known.set(key, answer)
  news.push(acceptance)
  return { duplicate: false, ...answer }
}

const COUNT_DELIVERIES =
  '(SELECT count(*) FROM delivery d WHERE d.app_id = k.app_id AND d.msg_id = m.msg_id AND d.run = 0)'

const LOOK_UP = statement(
  'accept-look-up',
  `SELECT 0 AS kind, k.ord, m.msg_id, m.deliveries::bigint AS deliveries
   FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY k (app_id, scope, key, ord)
   JOIN idempotency m ON m.app_id = k.app_id AND m.scope = k.scope AND m.key = k.key
   UNION ALL
   SELECT 1, k.ord, m.msg_id, ${COUNT_DELIVERIES}
   FROM unnest($4::text[], $5::text[]) WITH ORDINALITY k (app_id, event_id, ord)
   JOIN (SELECT app_id, event_id, id AS msg_id FROM msg WHERE event_id IS NOT NULL) m
     ON m.app_id = k.app_id AND m.event_id = k.event_id
   UNION ALL
   SELECT 2, k.ord, m.msg_id, ${COUNT_DELIVERIES}
   FROM unnest($6::text[], $7::text[]) WITH ORDINALITY k (app_id, message_id, ord)
   JOIN messages m ON m.message_id = k.message_id`,
)

/** The first answers to those keys of the acceptances that are known. */
async function lookUp(pool: Pool, acceptances: readonly Acceptance[]): Promise<Map<string, Known>> {
  const known = new Map<string, Known>()
  const withKey = acceptances.flatMap(({ message, idempotency }) => (idempotency ? [{ message, ...idempotency }] : []))
  const events = acceptances.flatMap(({ message }) => (message.eventId === null ? [] : [message]))
  const withInbox = acceptances.flatMap(({ message, inbox }) => (inbox ? [{ message, inbox }] : []))
  if (withKey.length + events.length + withInbox.length === 0) return known
  const rows = await pool.read<{ kind: number; ord: number; msg_id: Known['messageId']; deliveries: number }>(
    LOOK_UP,
    textArray(withKey.map(({ message }) => message.appId)),
    textArray(withKey.map(({ scope }) => scope)),
    textArray(withKey.map(({ key }) => key)),
    textArray(events.map(({ appId }) => appId)),
    textArray(events.map(({ eventId }) => eventId)),
    textArray(withInbox.map(({ message }) => message.appId)),
    textArray(withInbox.map(({ inbox }) => inbox.messageId)),
  )
  const names = [
    withKey.map(({ message, scope, key }) => ['i', message.appId, scope, key].join('\0')),
    events.map(({ appId, eventId }) => ['e', appId, eventId].join('\0')),
    withInbox.map(({ inbox }) => `m\0${inbox.messageId}`),
  ]
  for (const { kind, ord, msg_id: messageId, deliveries } of rows)
    known.set(names[kind]![ord - 1]!, { messageId, deliveries })
  return known
}

const MESSAGES = `
  m AS (
    INSERT INTO msg (app_id, id, event_id, event_type, channels, content_type, received_at, expires_at, payload_bytes)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
      $8::bigint[], $9::int[])
  ), p AS (
    INSERT INTO payload (app_id, msg_id, expires_at, bytes)
    SELECT i.app_id, i.id, i.expires_at, substr($11::bytea, i.start, i.length)
    FROM unnest($1::text[], $2::text[], $8::bigint[], $10::int[], $9::int[]) i (app_id, id, expires_at, start, length)
  )`

const DELIVERIES = `
  d AS (
    INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at, lease_owner)
    SELECT i.app_id, i.msg_id, i.endpoint_id, 0, CASE WHEN i.lease_owner IS NULL THEN 'pending' ELSE 'leased' END,
      i.due_at, i.lease_owner
    FROM unnest($12::text[], $13::text[], $14::text[], $15::bigint[], $16::text[])
      i (app_id, msg_id, endpoint_id, due_at, lease_owner)
  )`

const KEYS = `
  k AS (
    INSERT INTO idempotency (app_id, scope, key, msg_id, deliveries, expires_at)
    SELECT * FROM unnest($17::text[], $18::text[], $19::text[], $20::text[], $21::int[], $22::bigint[])
  )`

const INBOX = `
  x AS (
    INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text, created_at, ts_key, text_folded, msg_id)
    SELECT * FROM unnest($23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[],
      $30::text[], $31::text[])
  ), n AS (
    INSERT INTO inbox_new (from_msisdn, hour)
    SELECT i.from_msisdn, left(i.ts_key, ${HOUR_CHARS}) FROM unnest($24::text[], $29::text[]) i (from_msisdn, ts_key)
  )`

const STORE = statement(
  'accept-store',
  `WITH ${MESSAGES}, ${DELIVERIES}, ${KEYS}, ${INBOX}, w AS (${addToLanesFrom(givenLanes(32))})
   SELECT 1 FROM (SELECT $37::text AS due_at) n WHERE n.due_at IS NOT NULL AND ${noteDue('n.due_at')}`,
)

async function store(pool: Pool, news: readonly Acceptance[]): Promise<void> {
  const lanes = lanesOf(news)
  const dueAt = lanes.length === 0 ? null : String(Math.min(...lanes.map((lane) => lane.dueAt)))
  await pool.write(
    STORE,
    ...messageValues(news),
    ...deliveryValues(news),
    ...keyValues(news),
    ...inboxValues(news),
    ...laneValues(lanes),
    dueAt,
  )
}

const byText =
  <T>(textOf: (one: T) => string) =>
  (a: T, b: T): number => {
    const [left, right] = [textOf(a), textOf(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }

function messageValues(news: readonly Acceptance[]) {
  const messages = news.map(({ message }) => message).sort(byText((one) => `${one.appId}\0${one.eventId ?? ''}`))
  const { bytes, starts, lengths } = concatenated(messages.map(({ payload }) => payload))
  return [
    textArray(messages.map((one) => one.appId)),
    textArray(messages.map((one) => one.id)),
    textArray(messages.map((one) => one.eventId)),
    textArray(messages.map((one) => one.eventType)),
    textArray(messages.map((one) => one.channels && JSON.stringify(one.channels))),
    textArray(messages.map((one) => one.contentType)),
    numberArray(messages.map((one) => one.receivedAt)),
    numberArray(messages.map((one) => one.expiresAt)),
    numberArray(lengths),
    numberArray(starts),
    bytes,
  ]
}

function deliveryValues(news: readonly Acceptance[]) {
  const rows = news.flatMap(({ message: { appId, id }, deliveries }) =>
    deliveries.map(({ endpointId, lease, dueAt }) => ({
      appId,
      id,
      endpointId,
      dueAt: lease === null ? dueAt : lease.until,
      owner: lease?.owner ?? null,
    })),
  )
  return [
    textArray(rows.map((row) => row.appId)),
    textArray(rows.map((row) => row.id)),
    textArray(rows.map((row) => row.endpointId)),
    numberArray(rows.map((row) => row.dueAt)),
    textArray(rows.map((row) => row.owner)),
  ]
}

function keyValues(news: readonly Acceptance[]) {
  const rows = news
    .flatMap(({ message, deliveries, idempotency }) =>
      idempotency === null ? [] : [{ message, count: deliveries.length, ...idempotency }],
    )
    .sort(byText((row) => `${row.message.appId}\0${row.scope}\0${row.key}`))
  return [
    textArray(rows.map((row) => row.message.appId)),
    textArray(rows.map((row) => row.scope)),
    textArray(rows.map((row) => row.key)),
    textArray(rows.map((row) => row.message.id)),
    numberArray(rows.map((row) => row.count)),
    numberArray(rows.map((row) => row.expiresAt)),
  ]
}

function inboxValues(news: readonly Acceptance[]) {
  const rows = news
    .flatMap(({ message, inbox }) => (inbox === null ? [] : [{ ...inbox, announcedBy: message.id }]))
    .sort(byText((row) => row.messageId))
  return [
    textArray(rows.map((row) => row.messageId)),
    textArray(rows.map((row) => row.from)),
    textArray(rows.map((row) => row.to)),
    textArray(rows.map((row) => row.ts)),
    textArray(rows.map((row) => row.text)),
    textArray(rows.map((row) => new Date(row.createdAt).toISOString())),
    textArray(rows.map((row) => timestampKey(row.ts))),
    // Most texts are kept once: only what folding changed is stored beside them.
    textArray(rows.map(({ text }) => (text === null || foldCase(text) === text ? null : foldCase(text)))),
    textArray(rows.map((row) => row.announcedBy)),
  ]
}

/** What becomes pending, each lane once. */
function lanesOf(news: readonly Acceptance[]): Waiting[] {
  const lanes = new Map<string, Waiting>()
  for (const { message, deliveries } of news)
    for (const { endpointId, lease, dueAt } of deliveries) {
      if (lease !== null) continue
      const key = `${message.appId} ${endpointId}`
      const lane = lanes.get(key)
      if (lane === undefined) lanes.set(key, { appId: message.appId, endpointId, retry: 0, dueAt, size: 1 })
      else {
        lane.size++
        lane.dueAt = Math.min(lane.dueAt, dueAt)
      }
    }
  return [...lanes.values()]
}
