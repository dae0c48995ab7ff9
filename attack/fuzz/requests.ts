/** Requests for the operations of the documents: as they should be, nearly so, and not at all. */
import { createHmac } from 'node:crypto'
import type { Operation, Parameter } from './document.ts'
import { PLAIN, type Random } from './random.ts'
import { type Names, mutated, oddText, validValue } from './values.ts'

export interface Identity {
  /** Each speaks for somebody else; sent as `Authorization`. */
  tokens: readonly string[]
  /** Signs what goes to the inbox. */
  webhookSecret: string
}

export interface FuzzRequest {
  method: string
  /** With its query. */
  target: string
  headers: Record<string, string>
  body: Buffer | null
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
const CONTENT_TYPES = [
  'text/plain',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-16',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  ';;;',
  'a',
]

/** What a header cannot carry is left out by whoever sends it, not refused by who receives it. */
const asHeader = (text: string): string => text.replaceAll(/[^\t\x20-\x7e]/g, '?').slice(0, 4_000)

/** As simple as it can be, and right. */
export function plainRequest(operation: Operation, names: Names, who: Identity): FuzzRequest {
  const body =
    operation.body === null ? null : Buffer.from(JSON.stringify(validValue(operation.body, '', names, PLAIN)))
  const headers: Record<string, string> = { authorization: `Bearer ${who.tokens[0]}` }
  if (body !== null) headers['content-type'] = 'application/json'
  if (isSigned(operation)) headers['x-signature'] = signatureOf(body!, who)
  const query = of(operation, 'query').filter(({ required }) => required === true || operation.path === '/ingest')
  const pairs = query.map(({ name, schema }) => `${name}=${encoded(String(validValue(schema, name, names, PLAIN)))}`)
  const path = pathFor(operation, names, PLAIN)
  return {
    method: operation.method,
    target: [path, ...(pairs.length > 0 ? [pairs.join('&')] : [])].join('?'),
    headers,
    body,
  }
}

/** The inbox, and the door of the source that is made for this. */
const isSigned = ({ path }: Operation): boolean => path === '/webhook' || path.startsWith('/in/')

const signatureOf = (body: Buffer, { webhookSecret }: Identity): string =>
  createHmac('sha256', webhookSecret).update(body).digest('hex')

export function requestFor(operation: Operation, names: Names, who: Identity, random: Random): FuzzRequest {
  const body = operation.body === null ? strayBody(random) : bodyFor(operation, names, random)
  const method = random.chance(0.04) ? random.pick(METHODS) : operation.method
  const headers: Record<string, string> = {}
  if (body !== null) headers['content-type'] = random.chance(0.9) ? 'application/json' : random.pick(CONTENT_TYPES)
  const token = random.chance(0.7) ? who.tokens[0]! : random.pick([...who.tokens, ''])
  if (token !== '') headers['authorization'] = `Bearer ${token}`
  if (isSigned(operation) && body !== null && random.chance(0.9)) headers['x-signature'] = signatureOf(body, who)
  if (random.chance(0.1)) headers['idempotency-key'] = random.chance(0.7) ? `k${random.below(50)}` : odd(random)
  for (const { name, schema } of of(operation, 'header')) {
    if (name === 'idempotency-key' || random.chance(0.8)) continue
    headers[name] = random.chance(0.7) ? asHeader(String(validValue(schema, name, names, random))) : odd(random)
  }
  if (random.chance(0.03)) headers[random.pick(['ce-id', 'ce-specversion', 'x-request-id', 'accept'])] = odd(random)
  return { method, target: pathFor(operation, names, random) + queryFor(operation, names, random), headers, body }
}

const odd = (random: Random): string => asHeader(oddText(random)) || '?'
const of = ({ parameters }: Operation, where: string): Parameter[] => parameters.filter((one) => one.in === where)

const encoded = (text: string): string => encodeURIComponent(text.toWellFormed()).slice(0, 9_000)

function pathFor({ path }: Operation, names: Names, random: Random): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encoded(random.chance(0.9) ? random.pick(namesIn(path, name, names)) : oddText(random) || 'x'),
  )
}

/** One parameter has different things in different places: `deliveries.id` wins over `id`. */
const namesIn = (path: string, name: string, names: Names): readonly string[] =>
  names[`${path.replace('/api/v1', '').split('/')[1]}.${name}`] ?? names[name] ?? ['unknown']

function queryFor(operation: Operation, names: Names, random: Random): string {
  const pairs = of(operation, 'query')
    .filter(() => random.chance(0.3))
    .flatMap(({ name, schema }) => {
      const value = random.chance(0.75) ? String(validValue(schema, name, names, random)) : oddText(random)
      const pair = `${name}=${encoded(value)}`
      return random.chance(0.05) ? [pair, pair] : [pair]
    })
  if (random.chance(0.02))
    pairs.push(random.pick(['__proto__=1', '&&&', '=', 'a[]=1', `${'q'.repeat(3_000)}=1`, '%zz']))
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

const strayBody = (random: Random): Buffer | null => (random.chance(0.05) ? Buffer.from('{"stray":1}') : null)

function bodyFor(operation: Operation, names: Names, random: Random): Buffer | null {
  let value = validValue(operation.body!, '', names, random)
  if (random.chance(0.45)) value = mutated(value, random)
  if (random.chance(0.15)) value = mutated(value, random)
  const text = toText(value, random)
  return random.chance(0.08) ? broken(text, random) : Buffer.from(text)
}

const STRAY_MEMBERS = [
  '"__proto__":"x"',
  '"__proto__":{"a":1}',
  '"a":1,"a":2',
  '"description":3,"description":""',
  '"":""',
]

function toText(value: unknown, random: Random): string {
  const text = JSON.stringify(value)
  if (!random.chance(0.1)) return text
  // What a value cannot say: a member that is there twice, or has a name that JavaScript keeps for itself.
  const objects = [...text.matchAll(/\{(?=")/g)].map(({ index }) => index + 1)
  if (objects.length === 0) return text
  const at = random.pick(objects)
  return `${text.slice(0, at)}${random.pick(STRAY_MEMBERS)},${text.slice(at)}`
}

function broken(text: string, random: Random): Buffer | null {
  switch (random.below(7)) {
    case 0:
      return null
    case 1:
      return Buffer.from(text.slice(0, Math.floor(text.length / 2)))
    case 2:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)])
    case 3:
      return Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xc0])])
    case 4:
      return Buffer.from(`${'['.repeat(100_000)}${text}`)
    case 5:
      return Buffer.from(`{"a":${'9'.repeat(50_000)}}`)
    default:
      return Buffer.from(`${text}${' '.repeat(random.pick([10, 1_200_000]))}`)
  }
}
