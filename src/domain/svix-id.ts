import { createHash } from 'node:crypto'
import { UID_CHARS_MAX, WORD } from './uid.ts'

/** What Svix takes as an id of ours. */
const isUid = (text: string): boolean => text.length <= UID_CHARS_MAX && WORD.test(text)
/** An event id may not look like one of Svix's own: https://api.svix.com/docs, MessageIn. */
const OWN = 'msg_'
const ENCODED = 'b64.'
const HASHED = 'sha256.'

/**
 * The id under which an event is known to Svix: the same for every attempt, so that Svix recognises a repeat. An id that
 * Svix takes stays as it is; another one is encoded (`b64.` and base64url of its UTF-8 bytes, which can be undone), or
 * hashed where that is too long. Two identities never get one id: what looks encoded already is encoded once more.
 */
export function svixEventId(identity: string): string {
  const isReserved = [OWN, ENCODED, HASHED].some((prefix) => identity.startsWith(prefix))
  if (isUid(identity) && !isReserved) return identity
  const encoded = ENCODED + Buffer.from(identity, 'utf8').toString('base64url')
  return encoded.length <= UID_CHARS_MAX ? encoded : HASHED + createHash('sha256').update(identity).digest('base64url')
}

/** Null when `text` can name a Svix application, by id or uid, otherwise what is wrong. */
export const svixAppProblem = (text: string): string | null =>
  isUid(text) ? null : 'is not a Svix application id or uid: letters, digits, "-", "_" and "."'
