/** Tells which keys a database needs, and brings stored texts under the newest key. The same for both engines. */
import { type Encryption, keyIdOf, type Place } from '../domain/encryption.ts'
import { metaPlace, NOTHING_SECRET, SECRET_COLUMNS, type SecretColumn, secretPlace } from './secret-text.ts'

/** Names in `meta` whose values are no secrets and are never encrypted. */
export const PLAIN_META: readonly string[] = ['copy', 'copy_source', 'probe']

/**
 * The reason why a database cannot be used with these keys; null when it can. `used` are the ids of the keys under
 * which records may be; `advice` says where the keys could come from.
 */
export function missingKey(
  encryption: Encryption,
  used: readonly string[],
  { where, advice }: { where: string; advice: string },
): string | null {
  const missing = used.filter((id) => !encryption.knows(id))
  if (missing.length === 0) return null
  const keys = missing.length === 1 ? `the key ${missing[0]}` : `the keys ${missing.join(', ')}`
  const have = encryption.keyId === null ? 'there is no key' : `the newest key that was given is ${encryption.keyId}`
  return `${where} holds secrets that are encrypted with ${keys}, and ${have}: ${advice}`
}

/** The secret texts of one endpoint or source, in stored form. */
export interface SecretRow {
  app_id: string
  id: string
  headers: string
  secrets: string
}

/** The row under the newest key; null when it is under that key already. Throws `Undecryptable`. */
export function renewRow(encryption: Encryption, row: SecretRow): SecretRow | null {
  const renewed = (column: SecretColumn) => renewText(encryption, row[column], secretPlace(row.id, column))
  const [headers, secrets] = [renewed('headers'), renewed('secrets')]
  if (headers === null && secrets === null) return null
  return { ...row, headers: headers ?? row.headers, secrets: secrets ?? row.secrets }
}

/** The value of `meta` under the newest key; null when it is under that key already. Throws `Undecryptable`. */
export const renewMeta = (encryption: Encryption, { name, value }: { name: string; value: string }): string | null =>
  PLAIN_META.includes(name) ? null : renewText(encryption, value, metaPlace(name))

function renewText(encryption: Encryption, stored: string, place: Place): string | null {
  if (NOTHING_SECRET.includes(stored) || keyIdOf(stored) === encryption.keyId) return null
  return encryption.encrypt(encryption.decrypt(stored, place), place)
}

/** Turns encrypted texts of one database into the texts that another one stores. */
export const recoder =
  (from: Encryption, to: Encryption) =>
  (table: string, row: Record<string, unknown>): Record<string, unknown> => {
    const recode = (column: string, place: Place) => to.encrypt(from.decrypt(String(row[column]), place), place)
    if (table === 'meta' && !PLAIN_META.includes(String(row['name'])))
      return { ...row, value: recode('value', metaPlace(String(row['name']))) }
    if (table !== 'endpoint' && table !== 'source') return row
    const changed: Record<string, unknown> = { ...row }
    for (const column of SECRET_COLUMNS)
      if (column in row && !NOTHING_SECRET.includes(String(row[column])))
        changed[column] = recode(column, secretPlace(String(row['id']), column))
    return changed
  }

/** Number of texts under each key; `null` counts those in the clear. */
export type KeyCounts = Map<string | null, number>

export function countRow(counts: KeyCounts, row: SecretRow): void {
  for (const column of SECRET_COLUMNS) if (!NOTHING_SECRET.includes(row[column])) count(counts, row[column])
}

export function countMeta(counts: KeyCounts, { name, value }: { name: string; value: string }): void {
  if (!PLAIN_META.includes(name)) count(counts, value)
}

function count(counts: KeyCounts, stored: string): void {
  const id = keyIdOf(stored)
  counts.set(id, (counts.get(id) ?? 0) + 1)
}
