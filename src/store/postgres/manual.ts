/** Attempts that a request asks for, outside of the schedule. */
import type { DeliveryKey } from '../../domain/delivery.ts'
import type { Extras } from '../port/accept.ts'
import { type Session, statement } from './database.ts'
import { READS } from './reads.ts'
import { addToLanes } from './lanes.ts'
import { noteDue } from './notify.ts'
import { once, type Writer } from './once.ts'
import { arePresent, PAYLOAD_GRACE_MS, type PayloadKey } from './payloads.ts'
import { textArray } from './values.ts'

/** Some messages of an application, and one of its endpoints. */
export interface Some {
  appId: string
  endpointId: string
  msgIds: readonly string[]
}

const LOCK = statement(
  'manual-lock',
  `SELECT d.msg_id FROM unnest($3::text[]) k (msg_id)
   JOIN delivery d ON d.app_id = $1 AND d.msg_id = k.msg_id AND d.endpoint_id = $2 AND d.run = 0
   ORDER BY d.msg_id FOR UPDATE OF d`,
)

/**
 * A payload that expired longer ago than this may be in a partition that is being dropped: no attempt is added for it.
 * This is half of the time by which dropping lags behind, so that clocks may differ by the other half.
 */
const GONE_AFTER_MS = PAYLOAD_GRACE_MS / 2

/**
 * Holds the messages until the transaction ends. A transaction that removes a payload locks the message first. So from
 * here on, a payload is either there to stay, or gone already for the next statement.
 */
const HOLD_PAYLOADS = statement(
  'manual-hold-payloads',
  `SELECT m.app_id, m.id AS msg_id, m.expires_at FROM unnest($2::text[]) k (msg_id)
   JOIN msg m ON m.app_id = $1 AND m.id = k.msg_id ORDER BY m.id FOR KEY SHARE OF m`,
)

/** Those of the messages that have a payload which will stay; the others of `msgIds` are unknown or have none. */
export async function withPayload(
  session: Session,
  appId: string,
  msgIds: readonly string[],
  now: number,
): Promise<{ known: number; msgIds: string[] }> {
  const rows = await session.all<PayloadKey>(HOLD_PAYLOADS, appId, textArray(msgIds))
  const isPresent = await arePresent(session.ask, rows)
  const wanted = rows.filter((row, i) => isPresent[i] === true && row.expires_at >= now - GONE_AFTER_MS)
  return { known: rows.length, msgIds: wanted.map((row) => row.msg_id) }
}

/**
 * Adds manual attempts while the delivery is locked: another request for a manual attempt waits, and then sees this
 * one.
 */
const ADD_MANUAL = statement(
  'manual-add',
  `INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at)
   SELECT $1, k.msg_id, $2, r.last + 1, 'pending', $4
   FROM unnest($3::text[]) k (msg_id) CROSS JOIN LATERAL (
     SELECT max(d.run) AS last, coalesce(bool_or(d.run > 0 AND d.state = 'pending'), FALSE) AS waits
     FROM delivery d WHERE d.app_id = $1 AND d.msg_id = k.msg_id AND d.endpoint_id = $2
   ) r
   WHERE r.last IS NOT NULL AND NOT r.waits
   RETURNING run`,
)

/** Adds no row where there is a delivery already: another node was faster. */
const ADD_FIRST = statement(
  'manual-add-first',
  `INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at)
   SELECT $1, k.msg_id, $2, 0, 'pending', $4 FROM unnest($3::text[]) k (msg_id) ORDER BY k.msg_id
   ON CONFLICT DO NOTHING RETURNING run`,
)

/**
 * Adds a manual attempt of each of the deliveries, due now. A manual attempt that waits already is not doubled. Returns
 * the runs.
 */
export async function addManual(session: Session, some: Some, now: number): Promise<number[]> {
  await session.run(LOCK, some.appId, some.endpointId, textArray(some.msgIds))
  return add(session, ADD_MANUAL, some, now)
}

/** Adds the deliveries themselves, due now, where there are none. Returns the runs. */
export const addFirst = (session: Session, some: Some, now: number): Promise<number[]> =>
  add(session, ADD_FIRST, some, now)

async function add(session: Session, how: typeof ADD_FIRST, some: Some, now: number): Promise<number[]> {
  const { appId, endpointId, msgIds } = some
  const rows = await session.all<{ run: number }>(how, appId, endpointId, textArray(msgIds), now)
  if (rows.length === 0) return []
  await addToLanes(session, [{ appId, endpointId, retry: 0, dueAt: now, size: rows.length }])
  await session.run(`SELECT ${noteDue('$1::text')}`, String(now))
  return rows.map(({ run }) => run)
}

const WAITING = statement(
  'manual-waiting',
  `SELECT run FROM delivery
   WHERE app_id = $1 AND msg_id = $2 AND endpoint_id = $3 AND run > 0 AND due_at IS NOT NULL AND lease_owner IS NULL
   ORDER BY run LIMIT 1`,
)

export async function resend(
  writer: Writer,
  { appId, msgId, endpointId }: Omit<DeliveryKey, 'run'>,
  now: number,
  extras?: Extras,
): Promise<{ run: number } | 'unknown' | 'expired' | 'replayed'> {
  let run = 0
  const result = await once<'added' | 'unknown' | 'expired'>(writer, extras, 'added', async (session) => {
    const payload = await withPayload(session, appId, [msgId], now)
    if (payload.known === 0 || (await READS.getEndpoint(session, appId, endpointId)) === null) return 'unknown'
    if (payload.msgIds.length === 0) return 'expired'
    const some = { appId, endpointId, msgIds: [msgId] }
    const [added] = await addManual(session, some, now)
    // None is added where a manual attempt waits already, or where there is no delivery.
    run = added ?? (await session.get<{ run: number }>(WAITING, appId, msgId, endpointId))?.run ?? 0
    if (run === 0) await addFirst(session, some, now)
    return 'added'
  })
  return result === 'added' ? { run } : result
}
