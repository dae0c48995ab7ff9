/**
 * The published contract of the Svix API (its open-source server, MIT), reduced to operations and schemas in
 * `test/vectors/svix-contract.json`, and what the gateway answers besides.
 */
import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import type { Exchange } from './svix-gateway.ts'

export interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: Schema
}

export interface Operation {
  id: string | null
  method: string
  /** With the names of its parameters in braces. */
  path: string
  parameters: Parameter[]
  request: string | null
  /** Names of schemas by status; null where there is no body. */
  responses: Record<string, string | null>
}

const PREFIX = '/api/v1'

/** A schema of OpenAPI 3.0. */
export interface Schema {
  $ref?: string
  type?: string
  format?: string
  nullable?: boolean
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
}

const contract = JSON.parse(readFileSync(new URL('../vectors/svix-contract.json', import.meta.url), 'utf8')) as {
  operations: Operation[]
  schemas: Record<string, Schema>
}

export const { schemas } = contract

/** All of the contract's operations; paths are those below `/api/v1`. */
export const operations: readonly Operation[] = contract.operations.map((operation) => ({
  ...operation,
  path: operation.path.slice(PREFIX.length),
}))

export const nameOf = ({ method, path }: Pick<Operation, 'method' | 'path'>): string => `${method} ${path}`

/**
 * What the gateway answers although the contract does not say so: a status and a schema by operation, `*` for all of them.
 * The original server does the same.
 */
const DEVIATIONS: Readonly<Record<string, Record<number, string | null>>> = {
  '*': {
    // A query that cannot be read, a range of time that makes no sense, a secret rotated too often.
    400: 'HttpErrorOut',
    413: 'HttpErrorOut',
  },
  // The contract has no success at all for HEAD.
  'HEAD /health': { 204: null },
  // SDKs that are newer than this contract read the key.
  'POST /app/{app_id}/endpoint/{endpoint_id}/secret/rotate': { 200: 'EndpointSecretOut' },
  // The contract names refusals only.
  'DELETE /app/{app_id}/msg/{msg_id}/content': { 204: null },
  'DELETE /app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content': { 204: null },
  // The contract has 204, but neither server can end a token early.
  'POST /auth/logout': { 501: 'HttpErrorOut' },
}

/** In JSON Schema a reference may be null only where it says so beside it. */
function toJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toJsonSchema)
  if (typeof node !== 'object' || node === null) return node
  const { $ref, nullable, ...rest } = node as { $ref?: string; nullable?: boolean }
  if ($ref !== undefined && nullable === true) return { anyOf: [{ $ref }, { type: 'null' }] }
  const members = Object.entries(rest).map(([key, value]) => [key, toJsonSchema(value)])
  return { ...Object.fromEntries(members), ...($ref !== undefined && { $ref }), ...(nullable === true && { nullable }) }
}

const ajv = new Ajv({
  strict: false,
  allErrors: true,
  formats: {
    'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
    uri: (text: string) => URL.canParse(text),
    uint16: { type: 'number', validate: (n: number) => n >= 0 && n < 65_536 },
    uint64: { type: 'number', validate: (n: number) => n >= 0 },
    int16: { type: 'number', validate: (n: number) => n >= -32_768 && n < 32_768 },
    int32: { type: 'number', validate: (n: number) => Math.abs(n) <= 2 ** 31 },
    int64: { type: 'number', validate: Number.isSafeInteger },
  },
})
ajv.addSchema({ schemas: toJsonSchema(contract.schemas) }, 'contract')

/** What keeps `value` from being what the contract calls `name`; null when nothing does. */
export function schemaProblem(name: string, value: unknown): string | null {
  const validate: ValidateFunction | undefined = ajv.getSchema(`contract#/schemas/${name}`)
  if (validate === undefined) throw new Error(`The contract has no ${name}`)
  return validate(value) ? null : `is no ${name}: ${ajv.errorsText(validate.errors)}`
}

const patterns = operations
  .map((operation) => ({ operation, pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`) }))
  // Of `/health/{x}` and `/health/ping` the literal one is meant.
  .toSorted((a, b) => a.operation.parameters.length - b.operation.parameters.length)

/** The operation that a request asks for; null when the contract has none. */
export const operationOf = ({ method, path }: Pick<Exchange, 'method' | 'path'>): Operation | null =>
  patterns.find(({ operation, pattern }) => operation.method === method && pattern.test(path))?.operation ?? null

/** What of an exchange the contract does not allow; null when it allows all of it. */
export function violation(exchange: Exchange): string | null {
  const operation = operationOf(exchange)
  if (operation === null) return 'is no operation of the contract'
  const { status, text, headers, asked } = exchange
  const allowed: Record<number, string | null> = {
    ...DEVIATIONS['*'],
    ...operation.responses,
    ...DEVIATIONS[nameOf(operation)],
  }
  if (!(status in allowed)) return `answers ${status}, which is neither in the contract nor known`
  const name = allowed[status] ?? null
  if (name === null || exchange.method === 'HEAD') return text === '' ? null : `answers ${status} with a body: ${text}`
  const type = headers.get('content-type') ?? ''
  if (!type.startsWith('application/json')) return `answers ${status} with content-type ${type}`
  const problem = schemaProblem(name, JSON.parse(text))
  if (problem !== null) return `answers ${status} with what ${problem} in ${text}`
  if (status >= 300 || operation.request === null) return null
  return schemaProblem(operation.request, asked)
}
