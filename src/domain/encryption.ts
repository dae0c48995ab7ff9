/**
 * Encrypts stored values that must not be readable in a stolen file, backup or dump: AES-256-GCM with the key itself, a
 * random nonce for each value, and the value's place as additional data. A value that was moved to another row or
 * column, cut or changed does not decrypt.
 *
 * The form is `enc:v1:<key id>:<nonce>:<ciphertext>:<tag>`, the last three in base64url. A text that does not begin
 * with `enc:` was stored before there was a key, and is read as it is.
 */
import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject } from 'node:crypto'

/** A key and its id, which encrypted values carry. A `KeyObject` does not show itself in logs. */
export interface EncryptionKey {
  /** Eight hexadecimal digits derived from the key; they reveal nothing about it. */
  id: string
  key: KeyObject
}

/**
 * The place where a value is stored. `id` is the row's public id, which no other row gets. None of the three holds a
 * `|`.
 */
export interface Place {
  table: string
  column: string
  id: string
}

/** The error of a value that cannot be read. The message is one line, without the value. */
export class Undecryptable extends Error {
  override readonly name = 'Undecryptable'
}

export const ENCRYPTION_KEY_BYTES = 32

const CIPHER = 'aes-256-gcm'
const ID_LABEL = 'hookferry encryption key id\0'
/** NIST SP 800-38D, 5.2.1.1 and 8.2.2: 96 random bits are safe for 2^32 values under one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MARK = 'enc:'
const ENCRYPTED = 'enc:v1:'
/**
 * Marks a text that was stored without a key. The mark is needed because the text itself begins like an encrypted one.
 */
const ESCAPED = 'enc:v0:'
const FORM = /^enc:v1:([0-9a-f]{8}):([\w-]{16}):([\w-]*):([\w-]{22})$/

/** The key, 32 bytes. */
export function encryptionKey(bytes: Uint8Array): EncryptionKey {
  if (bytes.byteLength !== ENCRYPTION_KEY_BYTES) throw new RangeError(`a key has ${ENCRYPTION_KEY_BYTES} bytes`)
  const id = createHash('sha256').update(ID_LABEL).update(bytes).digest('hex').slice(0, 8)
  return { id, key: createSecretKey(bytes) }
}

/**
 * Parses keys in base64 (either alphabet, padding optional), newest first, with commas or line ends between them; an
 * empty text has no keys. The problem is a sentence without any of the text.
 */
export function parseEncryptionKeys(text: string): { keys: EncryptionKey[] } | { problem: string } {
  const parts = text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const keys: EncryptionKey[] = []
  for (const [i, part] of parts.entries()) {
    const bytes = /^[\w+/-]{43}=?$/.test(part) ? Buffer.from(part, 'base64') : null
    if (bytes?.byteLength !== ENCRYPTION_KEY_BYTES)
      return {
        problem: `has as number ${i + 1} what is not base64 of ${ENCRYPTION_KEY_BYTES} bytes: \`openssl rand -base64 32\` makes a key`,
      }
    const key = encryptionKey(bytes)
    if (keys.some(({ id }) => id === key.id))
      return { problem: `has the same key twice, the second time as number ${i + 1}` }
    keys.push(key)
  }
  return { keys }
}

/** The id of the key that a stored text needs; null when the text is not encrypted. */
export function keyIdOf(stored: string): string | null {
  return stored.startsWith(ENCRYPTED) ? (FORM.exec(stored)?.[1] ?? null) : null
}

/** Encrypts with the newest of its keys, decrypts with any of them. Without a key, texts are stored as they are. */
export class Encryption {
  readonly #keys: readonly EncryptionKey[]
  readonly #randomBytes: (n: number) => Uint8Array

  /** `keys` are newest first; `randomBytes(n)` gives n unpredictable bytes. */
  constructor(keys: readonly EncryptionKey[], randomBytes: (n: number) => Uint8Array) {
    this.#keys = keys
    this.#randomBytes = randomBytes
  }

  /** The id of the key that encrypts; null without one. */
  get keyId(): string | null {
    return this.#keys[0]?.id ?? null
  }

  knows(keyId: string): boolean {
    return this.#keys.some(({ id }) => id === keyId)
  }

  encrypt(text: string, place: Place): string {
    const newest = this.#keys[0]
    if (newest === undefined) return text.startsWith(MARK) ? ESCAPED + text : text
    const nonce = this.#randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, newest.key, nonce).setAAD(additionalData(place))
    const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    const [n, c, t] = [Buffer.from(nonce), ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'))
    return `${ENCRYPTED}${newest.id}:${n}:${c}:${t}`
  }

  /** The text that was encrypted for this place. Throws `Undecryptable`, which names the place and the key. */
  decrypt(stored: string, place: Place): string {
    if (!stored.startsWith(MARK)) return stored
    if (stored.startsWith(ESCAPED)) return stored.slice(ESCAPED.length)
    const [, keyId, nonce, ciphertext, tag] = FORM.exec(stored) ?? []
    const what = `${place.column} of ${place.id}`
    if (keyId === undefined) throw new Undecryptable(`${what} is stored in a form that this version does not know`)
    const known = this.#keys.find(({ id }) => id === keyId)
    if (known === undefined)
      throw new Undecryptable(`${what} is encrypted with the key ${keyId}, which ENCRYPTION_KEY does not have`)
    try {
      const decipher = createDecipheriv(CIPHER, known.key, Buffer.from(nonce!, 'base64url'), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(additionalData(place))
        .setAuthTag(Buffer.from(tag!, 'base64url'))
      return decipher.update(ciphertext!, 'base64url', 'utf8') + decipher.final('utf8')
    } catch (cause) {
      throw new Undecryptable(`${what} was changed, or belongs to another row`, { cause })
    }
  }
}

const additionalData = ({ table, column, id }: Place): Buffer => Buffer.from(`${table}|${column}|${id}`)
