/** The gateway's two documents, and ways through them. */
import { type Gateway, startGateway } from '../acceptance/gateway.ts'

export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  pattern?: string
  enum?: unknown[]
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  maxProperties?: number
  default?: unknown
  example?: unknown
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  propertyNames?: Schema
  additionalProperties?: Schema | boolean
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
}

export interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: Schema
}

export interface Operation {
  operationId: string
  tags: string[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema; example?: unknown }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>
}

export interface Document {
  openapi: string
  info: { license: { name: string; identifier?: string } }
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

export const PATHS = { plain: '/openapi.json', svix: '/api/v1/openapi.json' } as const

export const documentOf = async (gateway: Gateway, path: string): Promise<Document> =>
  (await gateway.send(path)).json<Document>()

export async function documentsOf(environment: NodeJS.ProcessEnv = {}): Promise<Record<keyof typeof PATHS, Document>> {
  await using gateway = await startGateway(environment)
  return { plain: await documentOf(gateway, PATHS.plain), svix: await documentOf(gateway, PATHS.svix) }
}

/** Every operation with its method and path. */
export const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )

/** Every schema of the document, outermost first, with the place where it stands. */
export function schemasOf(document: Document): { at: string; schema: Schema }[] {
  const named = Object.entries(document.components.schemas)
  const media = (content: Record<string, { schema: Schema }> = {}) => Object.values(content).map(({ schema }) => schema)
  const placed = operationsOf(document).flatMap(({ operation }) => [
    ...(operation.parameters ?? []).map(({ name, schema }) => within(`${operation.operationId} ${name}`, schema)),
    ...media(operation.requestBody?.content).map((schema) => within(`${operation.operationId} body`, schema)),
    ...Object.entries(operation.responses).flatMap(([status, { content }]) =>
      media(content).map((schema) => within(`${operation.operationId} ${status}`, schema)),
    ),
  ])
  return [...named.map(([name, schema]) => within(name, schema)), ...placed].flat()
}

function within(at: string, schema: Schema): { at: string; schema: Schema }[] {
  const { properties = {}, items, additionalProperties, propertyNames } = schema
  return [
    { at, schema },
    ...Object.entries(properties).flatMap(([name, one]) => within(`${at}.${name}`, one)),
    ...(items === undefined ? [] : within(`${at}[]`, items)),
    ...(typeof additionalProperties === 'object' ? within(`${at}{}`, additionalProperties) : []),
    ...(propertyNames === undefined ? [] : within(`${at}{name}`, propertyNames)),
    ...[schema.anyOf, schema.oneOf, schema.allOf].flatMap((list = []) => list.flatMap((one) => within(`${at}|`, one))),
  ]
}

/** With what is referred to in place of the references; none of it refers to itself. */
export function withoutReferences(document: Document): Document {
  const resolve = (_key: string, value: unknown): unknown => {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(String((value as { $ref?: unknown } | null)?.$ref))?.[1]
    return name === undefined ? value : JSON.parse(JSON.stringify(document.components.schemas[name]), resolve)
  }
  return JSON.parse(JSON.stringify(document), resolve) as Document
}
