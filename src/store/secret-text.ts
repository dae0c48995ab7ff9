/** The places where secret texts are stored, and how the texts are read. */
import { type Encryption, type Place, Undecryptable } from '../domain/encryption.ts'
import { GatewayError } from '../domain/errors.ts'
import { isId } from '../domain/ids.ts'

export type SecretColumn = 'headers' | 'secrets'
export const SECRET_COLUMNS: readonly SecretColumn[] = ['headers', 'secrets']

/** The table of an endpoint or a source, known from its id. */
export const secretTable = (id: string): 'endpoint' | 'source' => (isId('src', id) ? 'source' : 'endpoint')

/** The place where a text of an endpoint or a source, or a value of `meta`, is stored. */
export const secretPlace = (id: string, column: SecretColumn): Place => ({ table: secretTable(id), column, id })
export const metaPlace = (name: string): Place => ({ table: 'meta', column: 'value', id: name })

/** The texts of an endpoint that has neither headers nor secrets. There is nothing to hide in them. */
export const NOTHING_SECRET: readonly string[] = ['{}', '[]']

/**
 * Decrypts as `Encryption.decrypt` does, but refuses as a store: `store_unavailable` when a text cannot be decrypted,
 * so that deliveries wait for the key instead of failing.
 */
export function decryptStored(encryption: Encryption, stored: string, place: Place): string {
  try {
    return encryption.decrypt(stored, place)
  } catch (cause) {
    throw cause instanceof Undecryptable ? new GatewayError('store_unavailable', { cause }) : cause
  }
}

/**
 * Endpoints and sources with their secret texts, in one order, for an engine to select from. A source has no headers.
 */
export const SECRET_ROWS = `(SELECT app_id, id, headers, secrets FROM endpoint
  UNION ALL SELECT app_id, id, '{}' AS headers, secrets FROM source)`
