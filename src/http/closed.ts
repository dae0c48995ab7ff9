/**
 * Bodies whose members are all known. An unknown member is usually a slip of the pen. To leave it out can mean the
 * opposite of the intent: a subscription with `event_type` would take everything.
 */
import type { z } from 'zod'
import type { Issue } from '../domain/errors.ts'
import { nearest } from '../lib/nearest.ts'

interface Members {
  known: readonly string[]
  ignored: ReadonlySet<string>
}

const closedBodies = new WeakMap<z.ZodType, Members>()

/**
 * Refuses members that the object does not have. Members in `shown` are ignored: a client that sends back what it was
 * shown means no harm.
 */
export function closed<S extends z.ZodObject>(object: S, shown: z.ZodObject): S {
  const known = Object.keys(object.shape)
  closedBodies.set(object, { known, ignored: new Set([...known, ...Object.keys(shown.shape)]) })
  return object
}

/** Number of members for which a suggestion is searched; no refusal names more. */
const SUGGESTED_MAX = 100

/** Finds a problem for each member of a body that its schema does not know. */
export function unknownMembers(schema: z.ZodType, given: unknown): Issue[] {
  const members = closedBodies.get(schema)
  if (members === undefined || typeof given !== 'object' || given === null || Array.isArray(given)) return []
  return Object.keys(given)
    .filter((name) => !members.ignored.has(name))
    .map((name, i) => ({
      loc: ['body', name],
      msg: i < SUGGESTED_MAX ? problemOf(name, members.known) : '',
      type: 'unrecognized_keys',
    }))
}

function problemOf(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === null
    ? `There is no such member. There are ${known.join(', ')}.`
    : `There is no such member. Did you mean "${meant}"?`
}
