/** Names that callers give to applications, endpoints (`uid`) and messages (`eventId`): the rules of the Svix API. */

export const UID_CHARS_MAX = 256
export const CHANNEL_CHARS_MAX = 128

/** Of uids, event ids, event types, channels and feature flags. */
export const WORD = /^[a-zA-Z0-9\-_.]+$/

/**
 * Why `text` cannot be such a name, null when it can. `prefix` is that of the object's ids (`app`, `ep`, `msg`): a name that
 * looks like an id could never be told from one.
 */
export function uidProblem(prefix: string, text: string): string | null {
  if (text === '' || text.length > UID_CHARS_MAX) return `has to be 1 to ${UID_CHARS_MAX} characters long`
  if (!WORD.test(text)) return 'is made of letters, digits, "-", "_" and "." only'
  return text.startsWith(`${prefix}_`) ? `must not begin with ${prefix}_, as ids do` : null
}
