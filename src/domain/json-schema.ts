/**
 * Checks whether a value has the form of a JSON Schema (drafts 7, 2019-09 and 2020-12). The schemas of event types
 * describe events for people, and nothing is validated with them. So they are not checked against a meta-schema, which
 * takes time in the square of the input: every keyword's value is looked at once.
 */

/**
 * The deepest schema that is accepted. No schema written by people is that deep, and readers and writers of a schema
 * call themselves for every level.
 */
const DEPTH_MAX = 200

const TYPES = new Set(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'])

type Kind = (value: unknown, at: string, depth: number) => string | null

const kind =
  (what: string, holds: (value: unknown) => boolean): Kind =>
  (value, at) =>
    holds(value) ? null : `${at} is not ${what}`

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): boolean => typeof value === 'string'
const isType = (value: unknown): boolean => typeof value === 'string' && TYPES.has(value)

const aText = kind('a text', isText)
const aBoolean = kind('true or false', (value) => typeof value === 'boolean')
const aNumber = kind('a number', (value) => typeof value === 'number')
const aCount = kind('a whole number of at least 0', (value) => Number.isInteger(value) && (value as number) >= 0)
const aList = kind('a list', Array.isArray)
const texts = kind('a list of texts', (value) => Array.isArray(value) && value.every(isText))
const aType = kind(
  `one of ${[...TYPES].join(', ')}, or a list of them`,
  (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
)

const firstProblem = (entries: Iterable<[string | number, unknown]>, at: string, depth: number): string | null => {
  for (const [name, value] of entries) {
    const problem = aSchema(value, `${at}/${name}`, depth)
    if (problem !== null) return problem
  }
  return null
}
const schemas: Kind = (value, at, depth) =>
  Array.isArray(value) && value.length > 0 ? firstProblem(value.entries(), at, depth) : `${at} is not a list of schemas`
const schemaMap: Kind = (value, at, depth) =>
  isObject(value) ? firstProblem(Object.entries(value), at, depth) : `${at} is not a map of schemas`
const aSchemaOrSchemas: Kind = (value, at, depth) =>
  Array.isArray(value) ? firstProblem(value.entries(), at, depth) : aSchema(value, at, depth)

const KEYWORDS = new Map<string, Kind>()
const have = (names: string, value: Kind) => names.split(/\s+/).forEach((name) => KEYWORDS.set(name, value))
have('$id $ref $anchor $comment title description format pattern contentEncoding contentMediaType', aText)
have('deprecated readOnly writeOnly uniqueItems', aBoolean)
have('maximum minimum exclusiveMaximum exclusiveMinimum multipleOf', aNumber)
have('maxLength minLength maxItems minItems maxProperties minProperties maxContains minContains', aCount)
have('enum examples', aList)
have('required', texts)
have('type', aType)
have('allOf anyOf oneOf prefixItems', schemas)
have('properties patternProperties definitions $defs dependentSchemas', schemaMap)
have('items', aSchemaOrSchemas)
have('additionalItems additionalProperties unevaluatedItems unevaluatedProperties contains propertyNames', aSchema)
have('contentSchema not if then else', aSchema)

function aSchema(value: unknown, at: string, depth: number): string | null {
  if (typeof value === 'boolean') return null
  if (!isObject(value)) return `${at} is neither an object nor true or false`
  if (depth === 0) return `${at} is nested too deep`
  for (const [keyword, given] of Object.entries(value)) {
    const problem = KEYWORDS.get(keyword)?.(given, `${at}/${keyword}`, depth - 1) ?? null
    if (problem !== null) return problem
  }
  return null
}

/**
 * The drafts by the name in `$schema`. A schema without it is of draft 7. A schema of an unknown dialect is accepted
 * unchecked.
 */
const KNOWN_DRAFTS = /\bdraft(-07|\/2019-09|\/2020-12)\b/

const isDeeperThan = (value: unknown, depth: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (depth === 0 || Object.values(value).some((one) => isDeeperThan(one, depth - 1)))

/** Says why `schema` is no JSON Schema, in words that follow a name; null when it is one. */
export function jsonSchemaProblem(schema: unknown): string | null {
  if (isDeeperThan(schema, DEPTH_MAX)) return `is nested more than ${DEPTH_MAX} levels deep`
  const $schema = isObject(schema) ? schema['$schema'] : undefined
  if ($schema !== undefined && typeof $schema !== 'string') return 'is not a JSON Schema: $schema is not a text'
  if ($schema !== undefined && !KNOWN_DRAFTS.test($schema)) return null
  const problem = aSchema(schema, '', DEPTH_MAX)
  return problem === null ? null : `is not a JSON Schema: ${problem}`
}
