/**
 * The inbox's counts: of all messages, of each sender, and of each hour. The counts are exact at any time, and two
 * transactions that store messages never wait for each other because of them. Each message adds a row to `inbox_new`,
 * and now and then these rows are folded into the counts. A reader adds the rows that have not been folded yet.
 */
import { LIMITS } from '../../domain/limits.ts'
import { HOUR_CHARS } from '../shared/constants.ts'
import type { Pool } from './database.ts'

const FOLD_ROWS = 20_000
const FOLD_LOCK = 0x48_6b_46_81

const FOLD = `
  WITH taken AS (
    DELETE FROM inbox_new WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox_new LIMIT ${FOLD_ROWS}))
    RETURNING from_msisdn, hour
  ), senders AS (
    INSERT INTO inbox_sender AS s (from_msisdn, count) SELECT from_msisdn, count(*) FROM taken GROUP BY 1 ORDER BY 1
    ON CONFLICT (from_msisdn) DO UPDATE SET count = s.count + excluded.count
    RETURNING (xmax = 0) AS is_new
  ), hours AS (
    INSERT INTO inbox_hour AS h (hour, count) SELECT hour, count(*) FROM taken GROUP BY 1 ORDER BY 1
    ON CONFLICT (hour) DO UPDATE SET count = h.count + excluded.count
  )
  UPDATE inbox_total SET messages = messages + (SELECT count(*) FROM taken),
    senders = senders + (SELECT count(*) FROM senders WHERE is_new)
  WHERE EXISTS (SELECT 1 FROM taken) RETURNING (SELECT count(*) FROM taken) AS folded`

/** Folds the messages since the last time into the counts. One node at a time does this. */
export async function foldCounts(pool: Pool): Promise<void> {
  for (let i = 0; i < LIMITS.pruneStepRows; i++) {
    const folded = await pool.transaction(async (session) => {
      const lock = await session.get<{ free: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS free', FOLD_LOCK)
      if (lock?.free !== true) return 0
      return (await session.get<{ folded: number }>(FOLD))?.folded ?? 0
    })
    if (folded < FOLD_ROWS) return
  }
}

/** Number of messages: all, of one sender, or since an instant. Expressions with their parameters' places. */
export const COUNT_ALL = '((SELECT messages FROM inbox_total) + (SELECT count(*) FROM inbox_new))'

export const countOfSender = (from: string): string =>
  `(coalesce((SELECT count FROM inbox_sender WHERE from_msisdn = ${from}), 0)
    + (SELECT count(*) FROM inbox_new WHERE from_msisdn = ${from}))`

/** Counts whole hours from their counts, and the rest of the first hour row by row. */
export const countSince = (key: string): string =>
  `((SELECT coalesce(sum(count), 0)::bigint FROM inbox_hour WHERE hour > left(${key}, ${HOUR_CHARS}))
    + (SELECT count(*) FROM inbox_new WHERE hour > left(${key}, ${HOUR_CHARS}))
    + (SELECT count(*) FROM messages WHERE ts_key >= ${key} AND ts_key < left(${key}, ${HOUR_CHARS}) || ';'))`

/**
 * Senders with the most messages. A sender without new messages is found by its kept count; one with new messages is
 * counted anew. So the first ten of both together are the first ten of all.
 */
export const topSenders = (limit: number): string => `
  SELECT from_msisdn AS "from", count FROM (
    (SELECT s.from_msisdn, s.count FROM inbox_sender s
     WHERE NOT EXISTS (SELECT 1 FROM fresh f WHERE f.from_msisdn = s.from_msisdn)
     ORDER BY s.count DESC, s.from_msisdn LIMIT ${limit})
    UNION ALL
    SELECT f.from_msisdn, f.count + coalesce(s.count, 0)
    FROM fresh f LEFT JOIN inbox_sender s ON s.from_msisdn = f.from_msisdn
  ) c ORDER BY count DESC, from_msisdn LIMIT ${limit}`

export const FRESH = 'fresh AS MATERIALIZED (SELECT from_msisdn, count(*) AS count FROM inbox_new GROUP BY from_msisdn)'

/** Senders that have no kept count yet. */
export const NEW_SENDERS =
  '(SELECT count(*) FROM fresh f WHERE NOT EXISTS (SELECT 1 FROM inbox_sender s WHERE s.from_msisdn = f.from_msisdn))'
