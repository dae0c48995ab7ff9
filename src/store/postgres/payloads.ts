import type { Pool } from './database.ts'
import { numberArray, textArray } from './values.ts'

/** Where a payload is: its message's key and expiry, which names the partition. */
export interface PayloadKey {
  app_id: string
  msg_id: string
  expires_at: number
}

/** Without a name it is planned with its values, so that only the partitions of these times are opened at all. */
const PAYLOADS = `
  SELECT k.ord, p.bytes
  FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY k (app_id, msg_id, expires_at, ord)
  JOIN payload p ON p.app_id = k.app_id AND p.msg_id = k.msg_id AND p.expires_at = k.expires_at
  WHERE p.expires_at BETWEEN $4 AND $5`

const EXPIRIES = `
  SELECT k.ord, m.expires_at FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (app_id, msg_id, ord)
  JOIN msg m ON m.app_id = k.app_id AND m.id = k.msg_id`

/** The payloads in the order of their keys; undefined for those that were removed. */
export async function payloadsOf(pool: Pool, keys: readonly PayloadKey[]): Promise<(Uint8Array | undefined)[]> {
  const payloads = await read(pool, keys)
  const missing = keys.flatMap((key, i) => (payloads[i] === undefined ? [{ key, i }] : []))
  if (missing.length === 0) return payloads
  // Either they are gone, or retention has just moved them on: then their messages know where to.
  const rows = await pool.read<{ ord: number; expires_at: number }>(
    EXPIRIES,
    textArray(missing.map(({ key }) => key.app_id)),
    textArray(missing.map(({ key }) => key.msg_id)),
  )
  const moved = rows.flatMap(({ ord, expires_at }) => {
    const { key, i } = missing[ord - 1]!
    return key.expires_at === expires_at ? [] : [{ key: { ...key, expires_at }, i }]
  })
  const found =
    moved.length === 0
      ? []
      : await read(
          pool,
          moved.map(({ key }) => key),
        )
  for (const [at, { i }] of moved.entries()) payloads[i] = found[at]
  return payloads
}

async function read(pool: Pool, keys: readonly PayloadKey[]): Promise<(Uint8Array | undefined)[]> {
  const payloads = Array<Uint8Array | undefined>(keys.length).fill(undefined)
  let [first, last] = [Infinity, -Infinity]
  for (const { expires_at } of keys) {
    first = Math.min(first, expires_at)
    last = Math.max(last, expires_at)
  }
  const rows = await pool.read<{ ord: number; bytes: Buffer }>(
    PAYLOADS,
    textArray(keys.map((key) => key.app_id)),
    textArray(keys.map((key) => key.msg_id)),
    numberArray(keys.map((key) => key.expires_at)),
    first,
    last,
  )
  for (const { ord, bytes } of rows) payloads[ord - 1] = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  return payloads
}
