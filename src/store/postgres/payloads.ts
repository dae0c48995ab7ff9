import type { Ask } from './database.ts'
import { numberArray, textArray } from './values.ts'

/** The place of a payload: its message's key and expiry, which names the partition. */
export interface PayloadKey {
  app_id: string
  msg_id: string
  expires_at: number
}

/**
 * Time for which a partition is kept after its last payload expired: no node, whatever its clock says, still relies on
 * a partition that is dropped.
 */
export const PAYLOAD_GRACE_MS = 3_600_000

/** The parts of a payload that a read may ask for. Other parts are not read. */
const COLUMNS = { bytes: 'p.bytes', shown: 'coalesce(p.shown, p.bytes)', presence: 'NULL::bytea' } as const
type Column = keyof typeof COLUMNS

const EXPIRIES = `
  SELECT k.ord, m.expires_at FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (app_id, msg_id, ord)
  JOIN msg m ON m.app_id = k.app_id AND m.id = k.msg_id`

/** The payloads in the order of their keys; undefined for those that were removed. */
export async function payloadsOf(ask: Ask, keys: readonly PayloadKey[]): Promise<(Uint8Array | undefined)[]> {
  const found = await find(ask, keys, 'bytes')
  return keys.map((_, i) => found.get(i) ?? undefined)
}

/** The payloads as their senders wrote them, in the order of their keys; undefined for those that were removed. */
export async function shownOf(ask: Ask, keys: readonly PayloadKey[]): Promise<(Uint8Array | undefined)[]> {
  const found = await find(ask, keys, 'shown')
  return keys.map((_, i) => found.get(i) ?? undefined)
}

/** For each key, in order, true when the payload was not removed. */
export async function arePresent(ask: Ask, keys: readonly PayloadKey[]): Promise<boolean[]> {
  const found = await find(ask, keys, 'presence')
  return keys.map((_, i) => found.has(i))
}

type Found = Map<number, Uint8Array | null>

async function find(ask: Ask, keys: readonly PayloadKey[], column: Column): Promise<Found> {
  const found = await read(ask, keys, column)
  const missing = keys.flatMap((key, i) => (found.has(i) ? [] : [{ key, i }]))
  if (missing.length === 0) return found
  // Either the payloads are gone, or retention has just moved them: then their messages know the new place.
  const rows = await ask<{ ord: number; expires_at: number }>(
    EXPIRIES,
    textArray(missing.map(({ key }) => key.app_id)),
    textArray(missing.map(({ key }) => key.msg_id)),
  )
  const moved = rows.flatMap(({ ord, expires_at }) => {
    const { key, i } = missing[ord - 1]!
    return key.expires_at === expires_at ? [] : [{ key: { ...key, expires_at }, i }]
  })
  const late = await read(
    ask,
    moved.map(({ key }) => key),
    column,
  )
  for (const [at, value] of late) found.set(moved[at]!.i, value)
  return found
}

async function read(ask: Ask, keys: readonly PayloadKey[], column: Column): Promise<Found> {
  if (keys.length === 0) return new Map()
  let [first, last] = [Infinity, -Infinity]
  for (const { expires_at } of keys) {
    first = Math.min(first, expires_at)
    last = Math.max(last, expires_at)
  }
  // The statement has no name, and the times are written into it, so that it is planned for them: other partitions are
  // not even opened.
  const rows = await ask<{ ord: number; bytes: Buffer | null }>(
    `SELECT k.ord, ${COLUMNS[column]} AS bytes
     FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY k (app_id, msg_id, expires_at, ord)
     JOIN payload p ON p.app_id = k.app_id AND p.msg_id = k.msg_id AND p.expires_at = k.expires_at
     WHERE p.expires_at BETWEEN ${first} AND ${last}`,
    textArray(keys.map((key) => key.app_id)),
    textArray(keys.map((key) => key.msg_id)),
    numberArray(keys.map((key) => key.expires_at)),
  )
  const bytesOf = (bytes: Buffer) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  return new Map(rows.map(({ ord, bytes }) => [ord - 1, bytes && bytesOf(bytes)]))
}
