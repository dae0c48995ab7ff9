/** The statement that stores the new acceptances of a batch, in all tables. */
import type { Acceptance } from '../port/accept.ts'
import { HOUR_CHARS } from '../shared/constants.ts'
import {
  answerRows,
  deliveryRows,
  foldedOf,
  inboxRows,
  keyRows,
  labelRows,
  lanesOf,
  messageRows,
} from './accept-rows.ts'
import { type Ask, statement } from './database.ts'
import { addToLanesFrom, givenLanes } from './lanes.ts'
import { noteDue } from './notify.ts'
import { given, insertFrom, Places } from './places.ts'

const newsOf = (news: readonly Acceptance[]) => ({
  messages: messageRows(news),
  labels: labelRows(news),
  deliveries: deliveryRows(news),
  keys: keyRows(news),
  inbox: inboxRows(news),
  answers: answerRows(news),
  lanes: lanesOf(news),
})

const places = new Places<ReturnType<typeof newsOf>>()

function messages(): string {
  const row = places.rows((news) => news.messages.rows)
  const [appId, id] = [row.texts(({ message }) => message.appId), row.texts(({ message }) => message.id)]
  const expiresAt = row.numbers('bigint', ({ message }) => message.expiresAt)
  const length = row.numbers('int', ({ payload }) => payload.length)
  const bytes = places.one('bytea', (news) => news.messages.bytes)
  const slices = given('i', {
    app_id: appId,
    id,
    expires_at: expiresAt,
    length,
    start: row.numbers('int', ({ payload }) => payload.start),
    shown_length: row.numbers('int', ({ shown }) => shown?.length ?? null),
    shown_start: row.numbers('int', ({ shown }) => shown?.start ?? null),
  })
  const insert = insertFrom('msg', {
    app_id: appId,
    id,
    event_id: row.texts(({ message }) => message.eventId),
    event_type: row.texts(({ message }) => message.eventType),
    channels: row.texts(({ message }) => message.channels && JSON.stringify(message.channels)),
    tags: row.texts(({ message }) => message.tags && JSON.stringify(message.tags)),
    content_type: row.texts(({ message }) => message.contentType),
    received_at: row.numbers('bigint', ({ message }) => message.receivedAt),
    expires_at: expiresAt,
    payload_bytes: length,
    hops: row.numbers('smallint', ({ message }) => message.hops),
    deliver_at: row.numbers('bigint', ({ message }) => message.deliverAt),
    named: row.numbers('smallint', ({ named }) => named),
  })
  return `m AS (${insert}), p AS (
    INSERT INTO payload (app_id, msg_id, expires_at, bytes, shown)
    SELECT i.app_id, i.id, i.expires_at, substr(${bytes}, i.start, i.length), substr(${bytes}, i.shown_start, i.shown_length)
    FROM ${slices})`
}

function labels(): string {
  const row = places.rows((news) => news.labels)
  const arrays = { app_id: row.texts((one) => one.appId), label: row.texts((one) => one.label) }
  return `b AS (${insertFrom('msg_label', { ...arrays, msg_id: row.texts((one) => one.id) })})`
}

function deliveries(): string {
  const row = places.rows((news) => news.deliveries)
  const rows = given('i', {
    app_id: row.texts((one) => one.appId),
    msg_id: row.texts((one) => one.id),
    endpoint_id: row.texts((one) => one.endpointId),
    due_at: row.numbers('bigint', (one) => one.dueAt),
    lease_owner: row.texts((one) => one.owner),
  })
  return `d AS (
    INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at, lease_owner)
    SELECT i.app_id, i.msg_id, i.endpoint_id, 0, CASE WHEN i.lease_owner IS NULL THEN 'pending' ELSE 'leased' END,
      i.due_at, i.lease_owner
    FROM ${rows})`
}

function keys(): string {
  const row = places.rows((news) => news.keys)
  const insert = insertFrom('idempotency', {
    app_id: row.texts(({ message }) => message.appId),
    scope: row.texts(({ scope }) => scope),
    key: row.texts(({ key }) => key),
    msg_id: row.texts(({ message }) => message.id),
    deliveries: row.numbers('int', ({ count }) => count),
    expires_at: row.numbers('bigint', ({ expiresAt }) => expiresAt),
  })
  return `k AS (${insert})`
}

function inbox(): string {
  const row = places.rows((news) => news.inbox)
  const [from, tsKey] = [row.texts((one) => one.from), row.texts((one) => one.tsKey)]
  const insert = insertFrom('messages', {
    message_id: row.texts((one) => one.messageId),
    from_msisdn: from,
    to_msisdn: row.texts((one) => one.to),
    ts: row.texts((one) => one.ts),
    text: row.texts((one) => one.text),
    created_at: row.texts((one) => new Date(one.createdAt).toISOString()),
    ts_key: tsKey,
    text_folded: row.texts(foldedOf),
    msg_id: row.texts((one) => one.announcedBy),
  })
  return `x AS (${insert}), n AS (
    INSERT INTO inbox_new (from_msisdn, hour)
    SELECT i.from_msisdn, left(i.ts_key, ${HOUR_CHARS}) FROM ${given('i', { from_msisdn: from, ts_key: tsKey })})`
}

function answers(): string {
  const row = places.rows((news) => news.answers)
  const insert = insertFrom('answer', {
    org_id: row.texts((one) => one.orgId),
    key: row.texts((one) => one.key),
    status: row.numbers('int', (one) => one.status),
    body: row.texts((one) => one.body),
    expires_at: row.numbers('bigint', (one) => one.expiresAt),
  })
  return `a AS (${insert})`
}

const lanes = () => `w AS (${addToLanesFrom(givenLanes(places.rows((news) => news.lanes)))})`

/** Null when nothing became pending. */
const firstDue = () =>
  places.one('text', ({ lanes }) => (lanes.length === 0 ? null : String(Math.min(...lanes.map((lane) => lane.dueAt)))))

const STORE = statement(
  'accept-store',
  `WITH ${[messages, labels, deliveries, keys, inbox, answers, lanes].map((part) => part()).join(', ')}
   SELECT 1 FROM (SELECT ${firstDue()} AS due_at) n WHERE n.due_at IS NOT NULL AND ${noteDue('n.due_at')}`,
)

export async function store(run: Ask, news: readonly Acceptance[]): Promise<void> {
  if (news.length > 0) await run(STORE, ...places.values(newsOf(news)))
}
