/** Findings of the schema library in the words of the API: short, without a capital, about the place that `loc` names. */
import type { z } from 'zod'

const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'an array',
  null: 'null',
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return KINDS[typeof value] ?? 'something else'
}

/** Names a bound on the length of a text or a list, or on a number. */
function bound(origin: string, { few, many }: { few: string; many: string }, limit: number | bigint): string {
  if (origin === 'string') return `has ${few} than ${limit} characters`
  if (origin === 'array' || origin === 'set') return `has ${few} than ${limit} members`
  return `has to be ${many} ${limit}`
}

/** Undefined where the library's own words have to do. Messages that a schema gives itself come first. */
export function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    const kind = KINDS[issue.expected]
    if (kind === undefined) return undefined
    const isFraction = issue.expected === 'int' && typeof issue.input === 'number'
    return isFraction ? `has to be ${kind}` : `has to be ${kind}, and is ${kindOf(issue.input)}`
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map((value) => JSON.stringify(value))
    return values.length === 1 ? `has to be ${values[0]}` : `has to be one of ${values.join(', ')}`
  }
  if (issue.code === 'too_small') {
    if (issue.origin === 'string' && issue.minimum === 1) return 'must not be empty'
    const many = issue.inclusive === false ? 'more than' : 'at least'
    return bound(issue.origin, { few: 'fewer', many }, issue.minimum)
  }
  if (issue.code === 'too_big') {
    const many = issue.inclusive === false ? 'less than' : 'at most'
    return bound(issue.origin, { few: 'more', many }, issue.maximum)
  }
  return issue.code === 'invalid_union' ? 'has none of the forms that are valid here' : undefined
}
