import type { z } from 'zod'
import type { Issue } from '../domain/errors.ts'
import { plainWords } from './plain-words.ts'

/** How the plain API has its schemas read requests. */
export const IN_PLAIN_WORDS = { error: plainWords }

/** A finding of the schema library, in the words and places of the API. `part` is `body`, `query` or `path`. */
export function toIssues(issue: z.core.$ZodIssue, part: string, given: unknown): Issue[] {
  const loc = [part, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  const isMissing = issue.code === 'invalid_type' && valueAt(given, issue.path) === undefined
  if (isMissing) return [{ loc, msg: 'Field required', type: 'missing' }]
  // A parameter that is there twice arrives as a list.
  if (part === 'query' && Array.isArray(valueAt(given, issue.path)))
    return [{ loc, msg: 'is there more than once', type: 'repeated' }]
  return [{ loc, msg: issue.message, type: issue.code === 'custom' ? 'value_error' : issue.code }]
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined | null)?.[step], value)
