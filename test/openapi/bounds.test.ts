/**
 * The documents and the gateway draw the same lines: at each bound of the document a value is taken, and beyond it the value is
 * refused, and named. The requests are made of the document alone.
 */
import { createHmac } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createFakeClock } from '../fake-clock.ts'
import { startSvixGateway, sign } from '../svix/svix-gateway.ts'
import { type Case, casesOf, validValue, withValue } from './bounds.ts'
import { documentOf, type Operation, operationsOf, PATHS, type Schema, withoutReferences } from './documents.ts'

/** Shortly after the time that the samples have. */
const NOW = Date.parse('2026-01-15T10:05:00Z')
const WEBHOOK_SECRET = 'the inbox secret'
const { gateway, org, ...gate } = await startSvixGateway({ WEBHOOK_SECRET }, { clock: createFakeClock({ start: NOW }) })
afterAll(() => gate[Symbol.asyncDispose]())
const token = await sign({ sub: 'org_acme' })
const document = withoutReferences(await documentOf(gateway, PATHS.plain))

const target_url = 'http://127.0.0.1:9/'
const subscription = await gateway.subscribe({ target_url, enabled: false })
// Others are given secrets on the way.
const receiving = await gateway.subscribe({ target_url, enabled: false })
const event = await gateway.ingest(receiving)
const source = await gateway.ask<{ id: string }>('/sources', {
  json: { name: 'source', provider: 'generic', scheme: [{ header: 'X-Signature' }] },
})
const app = await org.ask('POST /app', { name: 'Acme' })
// Endpoints take the names of event types that are there.
for (const name of ['a', 'a'.repeat(256)]) await org.ask('POST /event-type', { name, description: '' })
const endpoint = await org.ask(`POST /app/${app.id}/endpoint`, { url: target_url, disabled: true })
const told = await org.ask('POST /operational-webhook/endpoint', { url: target_url, disabled: true })
const message = await org.ask(`POST /app/${app.id}/msg`, { eventType: 'a', payload: {} })

function nameOf(path: string, parameter: string): string {
  const names: Record<string, string> = {
    id: path.startsWith('/deliveries') ? event.id : path.startsWith('/sources') ? source.id : subscription.id,
    subscription_id: receiving.id,
    app_id: app.id,
    endpoint_id: path.includes('operational') ? told.id : endpoint.id,
    msg_id: message.id,
    event_type_name: 'a',
  }
  return names[parameter] ?? 'none'
}

interface Part {
  name: 'body' | 'query' | 'header'
  cases: Case[]
}

/** What a schema cannot say: these are refused, or taken, for reasons in words. */
function isInWords({ operationId }: Operation, part: Part['name'], { at, what, value, isValid }: Case): boolean {
  // Headers that are there already count.
  if (/patch-headers$|^updateSubscription$/.test(operationId) && what === '50 members') return true
  if (operationId.endsWith('Source') && isValid) {
    // Templates have a language of their own; the kind of a source needs some settings and has no others; names are unique.
    if (['scheme', 'tolerance', 'name'].includes(String(at[0]))) return true
  }
  // The event types that there are to be told of are the gateway's own.
  if (operationId.includes('operational') && at[0] === 'eventTypes' && isValid && value !== null) return true
  // The members of `metadata` are bounded together.
  if (at.at(-1) === 'metadata' && /^512 members|: 4096 characters/.test(what)) return true
  // A comma parts the names of a list, and what cannot be in a header is never sent.
  if (at[0] === 'event_types' && String(value).includes(',') && !/items/.test(what)) return true
  if (part === 'header' && !/^[\x20-\x7e]*$/.test(String(value))) return true
  // These are looked at together with the body, and answered 401.
  return part === 'header' && /signature/.test(String(at[0]))
}

function partsOf({ parameters = [], requestBody }: Operation): Part[] {
  const of = (where: string) =>
    parameters
      .filter((one) => one.in === where)
      .flatMap(({ name, schema }) => casesOf(schema).map((one) => ({ ...one, at: [name, ...one.at] })))
  const body = bodyOf(requestBody)
  return [
    { name: 'query', cases: of('query') },
    { name: 'header', cases: of('header') },
    { name: 'body', cases: body === null ? [] : casesOf(body) },
  ]
}

const bodyOf = (body: Operation['requestBody']): Schema | null => Object.values(body?.content ?? {})[0]?.schema ?? null

type Placed = ReturnType<typeof operationsOf>[number]

async function ask({ method, path, operation: { requestBody } }: Placed, part: Part['name'], one: Case) {
  const query = new URLSearchParams(path === '/ingest' ? { event_type: 'a' } : {})
  if (part === 'query') query.set(String(one.at[0]), String(one.value))
  const headers: Record<string, string> = path.startsWith('/api/v1') ? { authorization: `Bearer ${token}` } : {}
  if (part === 'header') headers[String(one.at[0])] = String(one.value)
  const schema = bodyOf(requestBody)
  let body = schema === null ? undefined : validValue(schema)
  // A schema cannot say that one of two names is needed.
  if (schema?.properties?.['payload'] !== undefined) body = { ...(body as object), payload: {} }
  if (part === 'body') body = withValue(body, one.at, one.value)
  const text = JSON.stringify(body)
  if (path === '/webhook') headers['x-signature'] = createHmac('sha256', WEBHOOK_SECRET).update(text).digest('hex')
  const target = path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) => nameOf(path, parameter))
  return gateway.send(`${target}?${query.toString()}`, { method, headers, ...(text !== undefined && { body: text }) })
}

/** Whether a refusal is about this value. */
function names({ status, text }: { status: number; text: string }, part: Part['name'], { at }: Case): boolean {
  if (status !== 422 && status !== 400) return false
  const { detail } = JSON.parse(text) as { detail: string | { loc: (string | number)[] }[] }
  // The Svix API has no places where a query cannot even be read.
  if (typeof detail === 'string') return part === 'query' && detail.includes(`query: ${at[0]}:`)
  const place = [part, ...at].map((step) => String(step).toLowerCase())
  return detail.some(({ loc }) => place.every((step, n) => step === String(loc[n]).toLowerCase()))
}

const operations = operationsOf(document).map((one) => ({ id: one.operation.operationId, ...one }))

test.each(operations)('$id takes what is at a bound of the document, and names what is beyond', async (given) => {
  const { operation } = given
  const wrong: string[] = []
  for (const part of partsOf(operation))
    for (const one of part.cases) {
      if (isInWords(operation, part.name, one)) continue
      const answer = await ask(given, part.name, one)
      if (answer.status < 500 && names(answer, part.name, one) !== one.isValid) continue
      wrong.push(`${part.name} ${one.at.join('.')}, ${one.what}: ${answer.status} ${answer.text.slice(0, 200)}`)
    }
  expect(wrong).toEqual([])
})

test('there are bounds to look at in each part of a request', () => {
  const counts = operations.flatMap(({ operation }) => partsOf(operation))
  const total = (name: Part['name']) =>
    counts.filter((part) => part.name === name).reduce((sum, { cases }) => sum + cases.length, 0)
  expect([total('query') > 200, total('header') > 10, total('body') > 500]).toEqual([true, true, true])
})
