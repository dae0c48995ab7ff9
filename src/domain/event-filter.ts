import { WORD } from './uid.ts'

/** The longest event type name, in characters. */
export const EVENT_TYPE_CHARS_MAX = 256

const ALL = '*'
const BELOW = '.*'

/**
 * Whether an endpoint with these patterns wants the event type: null or none means all, a name means itself, `user.*` means every
 * type below `user.` at any depth but not `user`, and `*` means all. Case matters.
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
 * The event type that stands for a sender's own word for it. Words with other characters than event types have are mapped, so
 * that they can be filtered on, level by level, and handed on to Svix: a run of other characters becomes "." if a slash, colon,
 * number sign or white space is in it, else "-"; none is left at the ends. `orders/create` is `orders.create`, `Push Hook` is
 * `Push.Hook`. What cannot be mapped is returned as it is, for `eventTypeProblem`: words without a letter or digit, that are too
 * long, with a comma (a header that came twice) or with a "*" (a pattern).
 */
export function eventTypeFrom(text: string): string {
  if (WORD.test(text) || text.length > EVENT_TYPE_CHARS_MAX || /[,*]/.test(text)) return text
  const mapped = text
    .replaceAll(/[^a-zA-Z0-9\-_.]+/g, (run) => (/[/:#\s]/.test(run) ? '.' : '-'))
    .replaceAll(/\.{2,}/g, '.')
    .replaceAll(/^[.-]+|[.-]+$/g, '')
  return /[a-zA-Z0-9]/.test(mapped) ? mapped : text
}

/** Why `text` cannot be the name of an event type and what would be valid, as a sentence; null when it can be one. */
export function eventTypeProblem(text: string): string | null {
  if (text.length > EVENT_TYPE_CHARS_MAX) return `An event type has at most ${EVENT_TYPE_CHARS_MAX} characters.`
  if (WORD.test(text)) return null
  return 'An event type is made of letters, digits, "-", "_" and ".", such as user.created, and is neither "." nor "..".'
}

/** Why `text` cannot be a pattern for event types (a name, a name followed by `.*`, or `*`); null when it can be one. */
export function eventTypePatternProblem(text: string): string | null {
  if (text === ALL) return null
  const problem = eventTypeProblem(text.endsWith(BELOW) ? text.slice(0, -BELOW.length) : text)
  if (problem === null) return null
  const meant = mappedPattern(text)
  return `${problem} A pattern may end in ".*", or be "*" alone.${meant === null ? '' : ` What you mean arrives as "${meant}".`}`
}

/** The pattern for what senders with other characters send; null when there is none. */
function mappedPattern(text: string): string | null {
  const [, name = text, below = ''] = /^(.*)[./:]\*$/s.exec(text) === null ? [] : [text, text.slice(0, -2), BELOW]
  const mapped = eventTypeFrom(name)
  return eventTypeProblem(mapped) === null ? mapped + below : null
}
