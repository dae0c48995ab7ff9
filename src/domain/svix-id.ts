import { createHash } from 'node:crypto'
import { atPointer } from './json-pointer.ts'
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

/** What `SVIX_APP_ID` says: an application's id or uid, or a JSON pointer into the event that names it. */
export type SvixApp = { id: string } | { pointer: string }

/** The Svix application of an event, or why there is none. `event` is what its JSON says. */
export function svixAppOf(event: unknown, app: SvixApp): { app: string } | { problem: string } {
  const named = 'id' in app ? app.id : atPointer(event, app.pointer)
  if (typeof named !== 'string')
    return { problem: `SVIX_APP_ID is ${'id' in app ? app.id : app.pointer}, and the event has no text there` }
  const problem = svixAppProblem(named)
  return problem === null ? { app: named } : { problem: `"${named.slice(0, 300)}" ${problem}` }
}
