import { WORD } from './uid.ts'

/** The longest event type name, in characters. */
export const EVENT_TYPE_CHARS_MAX = 256

const ALL = '*'
const BELOW = '.*'

/**
 * True when an endpoint with these patterns wants the event type. Null or no patterns mean all types. A name means
 * itself, `user.*` means every type below `user.` at any depth but not `user`, and `*` means all. Case matters.
 */
export function matchesEventType(patterns: readonly string[] | null, eventType: string): boolean {
  if (patterns === null || patterns.length === 0) return true
  return patterns.some((pattern) => {
    if (pattern === eventType || pattern === ALL) return true
    if (!pattern.endsWith(BELOW)) return false
    const prefix = pattern.slice(0, -1)
    return eventType.length > prefix.length && eventType.startsWith(prefix)
  })
}

/**
 * The event type for a sender's own word. Words with characters that event types do not allow are mapped, so that
 * endpoints can filter on them, level by level, and Svix accepts them. A run of such characters becomes "." if it has a
 * slash, colon, number sign or white space, otherwise "-"; at the ends it is removed. `orders/create` is
 * `orders.create`, `Push Hook` is `Push.Hook`. A word that cannot be mapped is returned unchanged, for
 * `eventTypeProblem` to refuse: one without a letter or digit, one that is too long, one with a comma (a header that
 * came twice) or with a "*" (a pattern).
 */
export function eventTypeFrom(text: string): string {
  if (WORD.test(text) || text.length > EVENT_TYPE_CHARS_MAX || /[,*]/.test(text)) return text
  const mapped = text
    .replaceAll(/[^a-zA-Z0-9\-_.]+/g, (run) => (/[/:#\s]/.test(run) ? '.' : '-'))
    .replaceAll(/\.{2,}/g, '.')
    .replaceAll(/^[.-]+|[.-]+$/g, '')
  return /[a-zA-Z0-9]/.test(mapped) ? mapped : text
}

/**
 * Says why `text` cannot be the name of an event type and what would be valid, as a sentence; null when it can be one.
 */
export function eventTypeProblem(text: string): string | null {
  if (text.length > EVENT_TYPE_CHARS_MAX) return `An event type has at most ${EVENT_TYPE_CHARS_MAX} characters.`
  if (WORD.test(text)) return null
  return 'An event type is made of letters, digits, "-", "_" and ".", such as user.created, and is neither "." nor "..".'
}

/**
 * Says why `text` cannot be a pattern for event types (a name, a name followed by `.*`, or `*`); null when it can be
 * one.
 */
export function eventTypePatternProblem(text: string): string | null {
  if (text === ALL) return null
  const problem = eventTypeProblem(text.endsWith(BELOW) ? text.slice(0, -BELOW.length) : text)
  if (problem === null) return null
  const meant = mappedPattern(text)
  return `${problem} A pattern may end in ".*", or be "*" alone.${meant === null ? '' : ` What you mean arrives as "${meant}".`}`
}

/** The pattern for events of senders that use other characters; null when there is none. */
function mappedPattern(text: string): string | null {
  const [, name = text, below = ''] = /^(.*)[./:]\*$/s.exec(text) === null ? [] : [text, text.slice(0, -2), BELOW]
  const mapped = eventTypeFrom(name)
  return eventTypeProblem(mapped) === null ? mapped + below : null
}
