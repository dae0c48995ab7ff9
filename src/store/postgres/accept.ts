/**
 * Accepts a batch with two statements. The first asks which of its keys are known; the second stores the new
 * acceptances, in all tables. Each statement is a transaction, so a batch takes two round trips and one commit.
 *
 * Two nodes may be given the same event at the same time. Neither sees the other's, so both insert; the unique index
 * lets the second wait for the first. If the first commits, the second fails as a whole, asks again, and now finds the
 * event. If the first is rolled back, the second's insert simply goes on. Keys are inserted in sorted order, so that
 * two batches with several keys in common do not wait for each other.
 */
import { projectedKey } from '../../domain/projected.ts'
import type { Accepted, Acceptance } from '../port/accept.ts'
import { store } from './accept-store.ts'
import { type Ask, type Pool, type Session, statement } from './database.ts'
import { PAYLOAD, type Partitions } from './partitions.ts'
import { isRepeat } from './trouble.ts'
import { numberArray, textArray } from './values.ts'

export type AcceptCall = readonly Acceptance[]

/** The record under a key: the message that was stored with it, or `replayed` when the request was answered. */
type Known = { messageId: Accepted['messageId']; deliveries: number } | 'replayed'

/** Each further turn means that another node has just committed a repeat. Twenty in a row do not happen. */
const TURNS_MAX = 20

/**
 * Stores each message with its deliveries, its idempotency record and its answer, unless it was stored before. Stores
 * all calls, or none.
 */
export async function accept(pool: Pool, partitions: Partitions, calls: readonly AcceptCall[]): Promise<Accepted[][]> {
  const run: Ask = (sql, ...values) => pool.write(sql, ...values)
  for (let turn = 1; ; turn++)
    try {
      const { answers, news } = await sort(run, calls)
      await partitions.ready(
        PAYLOAD,
        news.map(({ message }) => message.expiresAt),
      )
      await store(run, news)
      return answers
    } catch (error) {
      if (turn >= TURNS_MAX || !isRepeat(error)) throw error
    }
}

/**
 * Accepts within a transaction. If another node stores a repeat at the same time, the caller's transaction is run
 * again.
 */
export async function acceptIn(session: Session, acceptances: readonly Acceptance[]): Promise<void> {
  if (acceptances.length === 0) return
  const { news } = await sort(session.ask, [acceptances])
  await store(session.ask, news)
}

/** Separates new acceptances from known ones, and answers both. */
async function sort(run: Ask, calls: readonly AcceptCall[]): Promise<{ answers: Accepted[][]; news: Acceptance[] }> {
  const known = await lookUp(run, calls.flat())
  const news: Acceptance[] = []
  const answers = calls.map((call) => call.map((acceptance) => answerTo(acceptance, known, news)))
  return { answers, news }
}

const nameOf = (...parts: string[]): string => parts.join('\0')

function keysOf({ message, idempotency, projected, answer }: Acceptance): string[] {
  const keys: string[] = []
  if (answer !== null) keys.push(nameOf('answer', answer.orgId, answer.key))
  if (idempotency !== null) keys.push(nameOf('key', message.appId, idempotency.scope, idempotency.key))
  if (message.eventId !== null) keys.push(nameOf('event', message.appId, message.eventId))
  if (projected !== undefined) keys.push(nameOf(projected.into, projectedKey(projected)))
  return keys
}

/** A new acceptance is known to those after it. */
function answerTo(acceptance: Acceptance, known: Map<string, Known>, news: Acceptance[]): Accepted {
  const { message, deliveries, answer } = acceptance
  const keys = keysOf(acceptance)
  for (const key of keys) {
    const first = known.get(key)
    if (first === 'replayed') return { duplicate: true, replayed: true, messageId: message.id, deliveries: 0 }
    if (first !== undefined) return { duplicate: true, replayed: false, ...first }
  }
  const stored = { messageId: message.id, deliveries: deliveries.length }
  for (const key of keys) known.set(key, stored)
  if (answer !== null) known.set(keys[0]!, 'replayed')
  news.push(acceptance)
  return { duplicate: false, replayed: false, ...stored }
}

const COUNT_DELIVERIES =
  '(SELECT count(*) FROM delivery d WHERE d.app_id = k.app_id AND d.msg_id = m.msg_id AND d.run = 0)'

const LOOK_UP = statement(
  'accept-look-up',
  `SELECT 0 AS kind, k.ord, CASE WHEN m.expires_at > k.at THEN m.msg_id END AS msg_id, m.deliveries::bigint AS deliveries
   FROM unnest($1::text[], $2::text[], $3::text[], $11::bigint[]) WITH ORDINALITY k (app_id, scope, key, at, ord)
   JOIN idempotency m ON m.app_id = k.app_id AND m.scope = k.scope AND m.key = k.key
   UNION ALL
   SELECT 1, k.ord, m.msg_id, ${COUNT_DELIVERIES}
   FROM unnest($4::text[], $5::text[]) WITH ORDINALITY k (app_id, event_id, ord)
   JOIN (SELECT app_id, event_id, id AS msg_id FROM msg WHERE event_id IS NOT NULL) m
     ON m.app_id = k.app_id AND m.event_id = k.event_id
   UNION ALL
   SELECT 2, k.ord, m.msg_id, ${COUNT_DELIVERIES}
   FROM unnest($6::text[], $7::text[]) WITH ORDINALITY k (app_id, message_id, ord)
   JOIN messages m ON m.message_id = k.message_id
   UNION ALL
   SELECT 3, k.ord, CASE WHEN m.expires_at > k.at THEN NULL ELSE 'expired' END, 0
   FROM unnest($8::text[], $9::text[], $10::bigint[]) WITH ORDINALITY k (org_id, key, at, ord)
   JOIN answer m ON m.org_id = k.org_id AND m.key = k.key`,
)

/** Removes answers that have expired: their keys can be used again. */
const REMOVE_EXPIRED = statement(
  'accept-remove-expired',
  `DELETE FROM answer a USING unnest($1::text[], $2::text[], $3::bigint[]) k (org_id, key, at)
   WHERE a.org_id = k.org_id AND a.key = k.key AND a.expires_at <= k.at RETURNING 1 AS done`,
)

/** Removes expired keys of events. */
const FORGET_EXPIRED = statement(
  'accept-forget-expired',
  `DELETE FROM idempotency i USING unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) k (app_id, scope, key, at)
   WHERE i.app_id = k.app_id AND i.scope = k.scope AND i.key = k.key AND i.expires_at <= k.at RETURNING 1 AS done`,
)

interface Row {
  kind: number
  ord: number
  msg_id: string | null
  deliveries: number
}

/** The first answers to those keys of the acceptances that are known. */
async function lookUp(run: Ask, acceptances: readonly Acceptance[]): Promise<Map<string, Known>> {
  const known = new Map<string, Known>()
  const withKey = acceptances.flatMap(({ message, idempotency }) => (idempotency ? [{ message, ...idempotency }] : []))
  const events = acceptances.flatMap(({ message }) => (message.eventId === null ? [] : [message]))
  const withInbox = acceptances.flatMap(({ message, projected }) =>
    projected?.into === 'inbox' ? [{ message, key: projectedKey(projected) }] : [],
  )
  const requests = acceptances.flatMap(({ answer }) => (answer ? [answer] : []))
  if (withKey.length + events.length + withInbox.length + requests.length === 0) return known
  const ofAnswers = [
    textArray(requests.map(({ orgId }) => orgId)),
    textArray(requests.map(({ key }) => key)),
    numberArray(requests.map(({ at }) => at)),
  ]
  const ofKeys = [
    textArray(withKey.map(({ message }) => message.appId)),
    textArray(withKey.map(({ scope }) => scope)),
    textArray(withKey.map(({ key }) => key)),
  ]
  const keysAt = numberArray(withKey.map(({ message }) => message.receivedAt))
  const rows = await run<Row>(
    LOOK_UP,
    ...ofKeys,
    textArray(events.map(({ appId }) => appId)),
    textArray(events.map(({ eventId }) => eventId)),
    textArray(withInbox.map(({ message }) => message.appId)),
    textArray(withInbox.map(({ key }) => key)),
    ...ofAnswers,
    keysAt,
  )
  const names = [
    withKey.map(({ message, scope, key }) => nameOf('key', message.appId, scope, key)),
    events.map(({ appId, eventId }) => nameOf('event', appId, eventId!)),
    withInbox.map(({ key }) => nameOf('inbox', key)),
    requests.map(({ orgId, key }) => nameOf('answer', orgId, key)),
  ]
  for (const { kind, ord, msg_id, deliveries } of rows) {
    const isAnswer = kind === names.length - 1
    if (isAnswer ? msg_id !== null : msg_id === null) continue
    known.set(
      names[kind]![ord - 1]!,
      isAnswer ? 'replayed' : { messageId: msg_id as Accepted['messageId'], deliveries },
    )
  }
  if (rows.some(({ kind, msg_id }) => kind === names.length - 1 && msg_id !== null))
    await run(REMOVE_EXPIRED, ...ofAnswers)
  if (rows.some(({ kind, msg_id }) => kind === 0 && msg_id === null)) await run(FORGET_EXPIRED, ...ofKeys, keysAt)
  return known
}
