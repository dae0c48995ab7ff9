import { createHash } from 'node:crypto'
import { atPointer } from './json-pointer.ts'
import { UID_CHARS_MAX, WORD } from './uid.ts'

/** The characters and length of an id that Svix accepts. */
const isUid = (text: string): boolean => text.length <= UID_CHARS_MAX && WORD.test(text)
/** An event id may not look like one of Svix's own: https://api.svix.com/docs, MessageIn. */
const OWN = 'msg_'
const ENCODED = 'b64.'
const HASHED = 'sha256.'

/**
 * The id of an event at Svix. It is the same for every attempt, so that Svix recognises a repeat. An id that Svix
 * accepts stays as it is. Another id is encoded (`b64.` and base64url of its UTF-8 bytes, which can be undone), or
 * hashed if the encoded id is too long. Two identities never get one id: an id that looks encoded already is encoded
 * once more.
 */
export function svixEventId(identity: string): string {
  const isReserved = [OWN, ENCODED, HASHED].some((prefix) => identity.startsWith(prefix))
  if (isUid(identity) && !isReserved) return identity
  const encoded = ENCODED + Buffer.from(identity, 'utf8').toString('base64url')
  return encoded.length <= UID_CHARS_MAX ? encoded : HASHED + createHash('sha256').update(identity).digest('base64url')
}

/** Null when `text` can name a Svix application, by id or uid; otherwise says what is wrong. */
export const svixAppProblem = (text: string): string | null =>
  isUid(text) ? null : 'is not a Svix application id or uid: letters, digits, "-", "_" and "."'

/** The meaning of `SVIX_APP_ID`: an application's id or uid, or a JSON pointer to its name in the event. */
export type SvixApp = { id: string } | { pointer: string }

/** The Svix application of an event, or the reason why there is none. `event` is the parsed JSON. */
export function svixAppOf(event: unknown, app: SvixApp): { app: string } | { problem: string } {
  const named = 'id' in app ? app.id : atPointer(event, app.pointer)
  if (typeof named !== 'string')
    return { problem: `SVIX_APP_ID is ${'id' in app ? app.id : app.pointer}, and the event has no text there` }
  const problem = svixAppProblem(named)
  return problem === null ? { app: named } : { problem: `"${named.slice(0, 300)}" ${problem}` }
}
