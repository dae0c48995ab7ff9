import { createHash } from 'node:crypto'

/** What Svix takes as an id of ours, without the two that a URL would take as steps of its path. */
const UID = /^(?!\.\.?$)[a-zA-Z0-9\-_.]{1,256}$/
/** An event id may not look like one of Svix's own: https://api.svix.com/docs, MessageIn. */
const OWN = 'msg_'
const ENCODED = 'b64.'
const HASHED = 'sha256.'
const MAX = 256

/**
 * The id under which an event is known to Svix: the same for every attempt, so that Svix recognises a repeat. An id that
 * Svix takes stays as it is; another one is encoded (`b64.` and base64url of its UTF-8 bytes, which can be undone), or
 * hashed where that is too long. Two identities never get one id: what looks encoded already is encoded once more.
 */
export function svixEventId(identity: string): string {
  const isReserved = [OWN, ENCODED, HASHED].some((prefix) => identity.startsWith(prefix))
  if (UID.test(identity) && !isReserved) return identity
  const encoded = ENCODED + Buffer.from(identity, 'utf8').toString('base64url')
  return encoded.length <= MAX ? encoded : HASHED + createHash('sha256').update(identity).digest('base64url')
}

/** Null when `text` can name a Svix application, by id or uid, otherwise what is wrong. */
export const svixAppProblem = (text: string): string | null =>
  UID.test(text) ? null : 'is not a Svix application id or uid: letters, digits, "-", "_" and "."'
