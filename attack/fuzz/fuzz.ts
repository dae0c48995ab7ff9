/**
 * Asks a gateway for everything that its documents have, well and badly, and holds the answers against what is true of all
 * of them: there is one before the deadline, it is no 5xx, and a refusal is small.
 */
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { nameOf, type OpenApi, type Operation, operationsOf } from './document.ts'
import { createRandom } from './random.ts'
import { type FuzzRequest, type Identity, plainRequest, requestFor } from './requests.ts'
import type { Names } from './values.ts'

export interface FuzzOptions extends Identity {
  /** Without a slash at its end. */
  url: string
  seed: number
  requests: number
}

export interface FuzzReport {
  documented: readonly string[]
  /** Operations by how often they were asked for, and how often with success. */
  asked: ReadonlyMap<string, number>
  succeeded: ReadonlyMap<string, number>
  /** What must not be: an operation, its answer, and what was sent. */
  faults: readonly string[]
  /** Of answers, how many there were of each status. */
  statuses: ReadonlyMap<number, number>
}

const DEADLINE_MS = 15_000
/** A hundred problems with a kilobyte each, and what names them. */
const REFUSAL_BYTES_MAX = 262_144
/** Things are deleted on the way, and have to be there again. */
const RENEW_EVERY = 50
/** Of the rounds through all operations; the others are the fuzz. */
const PLAIN_ROUND_EVERY = 50
const FAULTS_MAX = 20

/** Says of itself that it cannot do this. */
const NOT_IMPLEMENTED = 'POST /api/v1/auth/logout'

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const random = createRandom(options.seed)
  using connection = connect(options.url)
  const documents = await Promise.all(['/openapi.json', '/api/v1/openapi.json'].map((path) => connection.json(path)))
  const operations = operationsOf(documents as OpenApi[])
  const asked = new Map<string, number>()
  const succeeded = new Map<string, number>()
  const statuses = new Map<number, number>()
  const faults: string[] = []
  let names: Names = {}
  let hasChanged = false
  for (let i = 0; i < options.requests && faults.length < FAULTS_MAX; i++) {
    const operation = operations[i % operations.length]!
    const isPlain = Math.floor(i / operations.length) % PLAIN_ROUND_EVERY === 0
    if (i % RENEW_EVERY === 0 || (isPlain && hasChanged)) names = await renew(connection, options)
    hasChanged = operation.method !== 'GET'
    const name = nameOf(operation)
    const request = isPlain ? plainRequest(operation, names, options) : requestFor(operation, names, options, random)
    const answer = await connection.send(request)
    const fault = faultOf(answer, operation)
    if (fault !== null) faults.push(`${name}: ${fault}, after ${describe(request)} (request ${i} of ${options.seed})`)
    add(asked, name)
    add(statuses, answer.status)
    if (request.method === operation.method && answer.status >= 200 && answer.status < 300) add(succeeded, name)
  }
  return { documented: operations.map(nameOf), asked, succeeded, faults, statuses }
}

const add = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const describe = ({ method, target, headers, body }: FuzzRequest): string =>
  `${method} ${target} ${JSON.stringify(headers)} ${body?.subarray(0, 500).toString() ?? ''}`

interface Answer {
  /** 0 when the connection ended before there was one. */
  status: number
  bytes: number
  problem: string | null
}

function faultOf({ status, bytes, problem }: Answer, operation: Operation): string | null {
  if (problem !== null) return problem
  const isKnown = status === 501 && nameOf(operation) === NOT_IMPLEMENTED
  if (status >= 500 && !isKnown) return `is answered ${status}`
  return status >= 400 && bytes > REFUSAL_BYTES_MAX ? `is refused with ${bytes} bytes` : null
}

interface Connection extends Disposable {
  send(request: FuzzRequest): Promise<Answer>
  /** What has to be answered with success. */
  json(path: string, token?: string, given?: { method: string; json: unknown }): Promise<unknown>
}

function connect(url: string): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const exchange = ({ method, target, headers, body }: FuzzRequest): Promise<Answer & { text: string }> =>
    new Promise((resolve) => {
      let status = 0
      const chunks: Buffer[] = []
      const end = (problem: string | null) => {
        clearTimeout(deadline)
        const text = Buffer.concat(chunks)
        resolve({ status, bytes: text.length, problem, text: text.toString() })
      }
      const length = body === null ? {} : { 'content-length': String(body.length) }
      const outgoing = httpRequest(`${url}${target}`, { method, headers: { ...headers, ...length }, agent })
      const deadline = setTimeout(() => {
        end(`is not answered within ${DEADLINE_MS / 1_000} s`)
        outgoing.destroy()
      }, DEADLINE_MS)
      outgoing.on('response', (incoming) => {
        status = incoming.statusCode ?? 0
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () => end(null))
        incoming.on('error', (error) => end(error.message))
      })
      // Who is told that a body is too large may find the connection closed while still sending it.
      outgoing.on('error', (error) => end(status >= 400 ? null : error.message))
      outgoing.end(body ?? undefined)
    })
  return {
    send: exchange,
    async json(path, token, given) {
      const body = given === undefined ? null : Buffer.from(JSON.stringify(given.json))
      const headers: Record<string, string> = body === null ? {} : { 'content-type': 'application/json' }
      if (token !== undefined) headers['authorization'] = `Bearer ${token}`
      const answer = await exchange({ method: given?.method ?? 'GET', target: path, headers, body })
      if (answer.status >= 300 || answer.problem !== null)
        throw new Error(`${path}: ${answer.status} ${answer.problem ?? answer.text}`)
      return answer.text === '' ? null : JSON.parse(answer.text)
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

const ATTEMPT_DEADLINE_MS = 1_000
const POLL_MS = 10
const LEFT_AT_MOST = 20

/** Deletes all of a list that has become long: applications may have so many endpoints only. */
async function thin(connection: Connection, path: string, token: string): Promise<void> {
  const { data } = (await connection.json(`${path}?limit=250`, token)) as { data: { id: string }[] }
  if (data.length <= LEFT_AT_MOST) return
  for (const { id } of data) {
    const headers = { authorization: `Bearer ${token}` }
    await connection.send({ method: 'DELETE', target: `${path}/${id}`, headers, body: null })
  }
}

/** Soon there is one: nobody listens where the message goes. */
async function attemptsOf(connection: Connection, msgId: string, token: string): Promise<string[]> {
  const endAt = Date.now() + ATTEMPT_DEADLINE_MS
  while (Date.now() < endAt) {
    const { data } = (await connection.json(`/api/v1/app/fuzz/attempt/msg/${msgId}`, token)) as {
      data: { id: string }[]
    }
    if (data.length > 0) return data.map(({ id }) => id)
    await sleep(POLL_MS)
  }
  return []
}

/** The name of a source whose sender signs as the inbox's does. */
const DOOR = 'door'
const URL_OF_NOBODY = 'http://127.0.0.1:9/'

/** Makes one of everything, or finds it, and says what it is called. */
async function renew(connection: Connection, { tokens: [token = ''], webhookSecret }: Identity): Promise<Names> {
  const json: Connection['json'] = (...given) => connection.json(...given)
  const svix = async (method: string, path: string, body: unknown) =>
    (await json(`/api/v1${path}`, token, { method, json: body })) as { id: string }
  const app = await svix('POST', '/app?get_if_exists=true', { name: 'Fuzz', uid: 'fuzz' })
  const schemas = { 1: { type: 'object', examples: [{ a: 1 }] } }
  await svix('PUT', '/event-type/order.paid', { description: '', schemas })
  for (const path of [
    '/api/v1/app/fuzz/endpoint',
    '/api/v1/operational-webhook/endpoint',
    '/subscriptions',
    '/sources',
  ])
    await thin(connection, path, token)
  const endpoint = await svix('PUT', '/app/fuzz/endpoint/main', { url: URL_OF_NOBODY, uid: 'main' })
  const management = await svix('PUT', '/operational-webhook/endpoint/ops', { url: URL_OF_NOBODY, uid: 'ops' })
  const message = await svix('POST', '/app/fuzz/msg', { eventType: 'order.paid', payload: { a: 1 } })
  const since = new Date(Date.now() - 60_000).toISOString()
  const task = await svix('POST', '/app/fuzz/endpoint/main/recover', { since })
  const attempts = await attemptsOf(connection, message.id, token)
  const given = { method: 'POST', json: { target_url: URL_OF_NOBODY } }
  const subscription = (await json('/subscriptions', undefined, given)) as { id: string }
  const event = (await json(`/ingest/${subscription.id}`, undefined, { method: 'POST', json: {} })) as { id: string }
  const recover = { method: 'POST', json: { since } }
  const recovery = (await json(`/subscriptions/${subscription.id}/recover`, undefined, recover)) as { id: string }
  const sourceOf = async (more: object) =>
    (await json('/sources', undefined, { method: 'POST', json: { name: `fuzz-${Date.now()}`, ...more } })) as {
      id: string
    }
  const source = await sourceOf({ provider: 'standard-webhooks' })
  await connection.send({ method: 'DELETE', target: `/sources/${DOOR}`, headers: {}, body: null })
  await sourceOf({
    name: DOOR,
    provider: 'generic',
    scheme: [{ header: 'X-Signature' }],
    secrets: [{ secret: webhookSecret }],
  })
  const eventTypes = ['order.paid']
  return {
    app_id: [app.id, 'fuzz'],
    endpoint_id: [endpoint.id, 'main'],
    'operational-webhook.endpoint_id': [management.id, 'ops'],
    msg_id: [message.id],
    attempt_id: attempts.length > 0 ? attempts : ['atmpt_none'],
    task_id: [task.id],
    event_type_name: eventTypes,
    eventType: eventTypes,
    eventTypes,
    event_types: eventTypes,
    filterTypes: eventTypes,
    id: [subscription.id],
    'deliveries.id': [event.id],
    subscription_id: [subscription.id],
    'sources.id': [source.id],
    'tasks.id': [recovery.id],
    source: [DOOR],
    uid: ['fuzz', 'main', 'other'],
    secret: ['whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'],
    key: ['whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'],
    from: ['+14155550100'],
    to: ['+14155550101'],
    ts: ['2026-01-15T10:00:00Z'],
    since: [since],
    until: [new Date().toISOString()],
    before: [new Date().toISOString()],
    after: [since],
    deliverAt: [new Date().toISOString()],
    timeout: ['5s'],
    target_url: [URL_OF_NOBODY],
    iterator: [message.id, endpoint.id, app.id],
  }
}
