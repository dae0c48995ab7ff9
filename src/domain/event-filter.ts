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
  return problem === null ? null : `${problem} A pattern may end in ".*", or be "*" alone.`
}
