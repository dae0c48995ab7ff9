/** What the gateway's own OpenAPI documents say can be asked of it. */

/** JSON Schema, as far as the documents use it. */
export interface Schema {
  type?: string | string[]
  anyOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | boolean
  deprecated?: boolean
}

export interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: Schema
}

export interface Operation {
  method: string
  /** With the names of its parameters in braces. */
  path: string
  parameters: Parameter[]
  body: Schema | null
}

interface Described {
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}

export interface OpenApi {
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, Schema> }
}

export const nameOf = ({ method, path }: Pick<Operation, 'method' | 'path'>): string => `${method} ${path}`

/** With what is referred to in place of the references; none of it refers to itself. */
function withoutReferences({ paths, components }: OpenApi): Pick<OpenApi, 'paths'> {
  const resolve = (_key: string, value: unknown): unknown => {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(String((value as { $ref?: unknown } | null)?.$ref))?.[1]
    return name === undefined ? value : JSON.parse(JSON.stringify(components.schemas[name]), resolve)
  }
  return JSON.parse(JSON.stringify({ paths }), resolve) as Pick<OpenApi, 'paths'>
}

/** Every operation of the documents, once. */
export function operationsOf(documents: readonly OpenApi[]): Operation[] {
  const operations = documents.map(withoutReferences).flatMap(({ paths }) =>
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
        method: method.toUpperCase(),
        path,
        parameters,
        body: Object.values(requestBody?.content ?? {})[0]?.schema ?? null,
      })),
    ),
  )
  return [...new Map(operations.map((one) => [nameOf(one), one])).values()]
}
