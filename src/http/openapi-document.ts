/** Turns the framework's output for the routes' schemas into the document for generators of clients. */
import { STATUS_CODES } from 'node:http'
import { NAME, ON_WIRE } from './described.ts'

type Json = Record<string, unknown>

/** An OpenAPI document, as far as this file reads it. */
export interface OpenApiDocument {
  paths?: Record<string, Record<string, Json>>
  components?: { schemas?: Record<string, unknown> } & Json
  [member: string]: unknown
}

/** Keywords under which a schema holds others: by name, in a list, or one. */
const MAPS_OF_SCHEMAS = ['properties', 'patternProperties']
const LISTS_OF_SCHEMAS = ['anyOf', 'oneOf', 'allOf', 'prefixItems']
const SCHEMAS = ['items', 'additionalProperties', 'propertyNames', 'not']

/** Applies `change` to all schemas within the schema, the innermost first, and at last to the schema itself. */
function changed(schema: Json, change: (schema: Json) => Json): Json {
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    if (typeof value !== 'object' || value === null) return [key, value]
    if (MAPS_OF_SCHEMAS.includes(key))
      return [key, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, changed(one as Json, change)]))]
    if (LISTS_OF_SCHEMAS.includes(key)) return [key, (value as Json[]).map((one) => changed(one, change))]
    return [key, SCHEMAS.includes(key) ? changed(value as Json, change) : value]
  })
  return change(Object.fromEntries(entries))
}

const ANNOTATIONS = [NAME, 'description', 'example', 'examples', 'deprecated', 'default']
const INT32_MAX = 2 ** 31 - 1

/**
 * Describes values as they are on the wire: with the description made for that, and integers with their size.
 * Parameters are changed before the framework splits them.
 */
export const parametersOnWire = (schema: object): object => changed(schema as Json, onWire)

const onWire = (schema: Json): Json => flat(sized(described(schema)))

/** Merges a choice within a choice into one choice. */
function flat(schema: Json): Json {
  const choices = schema['anyOf'] as Json[] | undefined
  if (choices === undefined) return schema
  const isChoice = (one: Json) => Object.keys(one).join() === 'anyOf'
  return { ...schema, anyOf: choices.flatMap((one) => (isChoice(one) ? (one['anyOf'] as Json[]) : [one])) }
}

function described(schema: Json): Json {
  const wire = schema[ON_WIRE]
  if (wire === undefined) return schema
  const kept = Object.entries(schema).filter(([key]) => ANNOTATIONS.includes(key))
  return { ...(wire as Json), ...Object.fromEntries(kept.filter(([key]) => !(key in (wire as Json)))) }
}

/**
 * Generators read an integer as one of 32 bits unless the document says otherwise. A bound beyond what JavaScript can
 * count was set by no author.
 */
function sized({ ...schema }: Json): Json {
  if (![schema['type']].flat().includes('integer') || schema['enum'] !== undefined) return schema
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum']
  if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum']
  const isSmall = Number(schema['maximum'] ?? Infinity) <= INT32_MAX
  return isSmall ? schema : { ...schema, format: 'int64' }
}

/** Applies a change to every schema of an operation. */
function changedInOperation(operation: Json, change: (schema: Json) => Json): Json {
  const media = (content: unknown) =>
    Object.fromEntries(
      Object.entries((content ?? {}) as Record<string, { schema?: Json }>).map(([type, one]) => [
        type,
        one.schema === undefined ? one : { ...one, schema: changed(one.schema, change) },
      ]),
    )
  const withMedia = (one: Json) => (one['content'] === undefined ? one : { ...one, content: media(one['content']) })
  const parameters = operation['parameters'] as { schema: Json }[] | undefined
  const body = operation['requestBody'] as Json | undefined
  const responses = Object.entries((operation['responses'] ?? {}) as Record<string, Json>)
  return {
    ...operation,
    ...(parameters && { parameters: parameters.map((one) => ({ ...one, schema: changed(one.schema, change) })) }),
    ...(body && { requestBody: withMedia(body) }),
    responses: Object.fromEntries(responses.map(([status, one]) => [status, withMedia(toldBy(status, one))])),
  }
}

/** The framework calls every answer "Default Response". */
const toldBy = (status: string, response: Json): Json =>
  response['description'] === 'Default Response'
    ? { ...response, description: STATUS_CODES[status] ?? status }
    : response

/** Moves every named schema to `components.schemas`, once. Throws when two different schemas have the same name. */
export function withComponents(made: object): OpenApiDocument {
  const document = made as OpenApiDocument
  const schemas: Record<string, unknown> = {}
  const refer = (schema: Json): Json => {
    // A description at one place does not hold everywhere.
    const { [NAME]: name, description, ...rest } = schema
    if (typeof name !== 'string') return schema
    if (!(name in schemas)) schemas[name] = rest
    else if (JSON.stringify(schemas[name]) !== JSON.stringify(rest))
      throw new Error(`Two schemas of the document are named ${name}`)
    return { $ref: `#/components/schemas/${name}`, ...(description === undefined ? {} : { description }) }
  }
  const paths = mapOperations(document.paths ?? {}, (operation) =>
    changedInOperation(operation, (schema) => refer(onWire(schema))),
  )
  return { ...document, paths, components: { ...document.components, schemas: sorted(schemas) } }
}

const sorted = (schemas: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)))

const mapOperations = (paths: NonNullable<OpenApiDocument['paths']>, map: (operation: Json) => Json) =>
  Object.fromEntries(
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, map(operation)])),
    ]),
  )

/** The document of the paths that begin with `prefix`, with the components and tags that they need. */
export function partOf(whole: object, prefix: string): OpenApiDocument {
  const document = whole as OpenApiDocument
  const paths = Object.fromEntries(Object.entries(document.paths ?? {}).filter(([path]) => path.startsWith(prefix)))
  const all = document.components?.schemas ?? {}
  const needed = new Set<string>()
  const need = (value: unknown): void => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (needed.has(name)) continue
      needed.add(name)
      need(all[name])
    }
  }
  need(paths)
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
  const tagsUsed = new Set(operations.flatMap((operation) => (operation['tags'] ?? []) as string[]))
  const securityUsed = new Set(
    operations.flatMap((operation) => ((operation['security'] ?? []) as Json[]).flatMap((one) => Object.keys(one))),
  )
  const securitySchemes = Object.entries((document.components?.['securitySchemes'] ?? {}) as Json)
  return {
    ...document,
    tags: ((document['tags'] ?? []) as { name: string }[]).filter(({ name }) => tagsUsed.has(name)),
    paths,
    components: {
      securitySchemes: Object.fromEntries(securitySchemes.filter(([name]) => securityUsed.has(name))),
      schemas: Object.fromEntries(Object.entries(all).filter(([name]) => needed.has(name))),
    },
  }
}
