/** Names that callers give to things and that paths may hold: uids, event ids, event types, channels, tags. */

export const UID_CHARS_MAX = 256
/** Length of channels and tags. */
export const LABEL_CHARS_MAX = 128

/**
 * The pattern of all names. URLs treat `.` and `..` as steps (https://url.spec.whatwg.org, "single-dot URL path
 * segment"): a client that asks for the endpoint `..` of an application would reach the application.
 */
export const WORD = /^(?!\.\.?$)[a-zA-Z0-9\-_.]+$/

export const WORD_RULE = 'is made of letters, digits, "-", "_" and "." only, and is neither "." nor ".."'

/** Channels and tags are in no path, and may have the characters that the Svix API allows in them. */
export const CHANNEL = {
  pattern: /^(?!\.\.?$)[a-zA-Z0-9\-_.:+]+$/,
  rule: 'is made of letters, digits, "-", "_", ".", ":" and "+" only, and is neither "." nor ".."',
}
export const TAG = {
  pattern: /^(?!\.\.?$)[a-zA-Z0-9\-_./\\#]+$/,
  rule: 'is made of letters, digits, "-", "_", ".", "/", "\\" and "#" only, and is neither "." nor ".."',
}

/**
 * Says why `text` cannot be such a name; null when it can. `prefix` is the prefix of the object's ids (`app`, `ep`,
 * `msg`): a name that looks like an id could not be told from an id.
 */
export function uidProblem(prefix: string, text: string): string | null {
  if (text === '' || text.length > UID_CHARS_MAX) return `has to be 1 to ${UID_CHARS_MAX} characters long`
  if (!WORD.test(text)) return WORD_RULE
  return text.startsWith(`${prefix}_`) ? `must not begin with ${prefix}_, as ids do` : null
}
