/**
 * An HTTP server on 127.0.0.1 that keeps messages as Svix does, and misbehaves when it is told to.
 *
 * What it shares with Svix: an application has an event id only once, for ever, and answers 409 to another one; a POST whose
 * idempotency key and URL had a success gets that answer again; `GET …/msg/{id}` finds a message by its id or its event id.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const SVIX_TOKEN = 'testsk_fake.eu'

export interface SvixRequest {
  method: string
  /** The path, without the query. */
  path: string
  headers: IncomingHttpHeaders
  /** The body as it came. */
  text: string
  /** When its last byte was here, ms since the epoch. */
  at: number
}

export interface SvixMessage {
  id: string
  app: string
  eventId: string
  eventType: string
  payload: Record<string, unknown>
  /** The body of the request that made it. */
  text: string
}

export interface Answer {
  status: number
  headers?: Record<string, string>
  body?: string
}

/** One request, for a behaviour to do with as it likes. */
export interface Exchange {
  request: SvixRequest
  response: ServerResponse
  /** Does what a healthy Svix does, and returns what it would answer. */
  serve: () => Answer
  answer: (answer: Answer) => void
}

export type Behaviour = (exchange: Exchange) => void

export interface FakeSvix extends AsyncDisposable {
  url: string
  requests: SvixRequest[]
  messages: SvixMessage[]
  /** What comes next, one behaviour for each request; when there is none left, `otherwise`. */
  script: Behaviour[]
  otherwise: Behaviour
  /** Those that ask for a new message. */
  posts(): SvixRequest[]
  /** Svix promises to know them for hours only, and they may be lost: event ids are known for ever. */
  forgetIdempotencyKeys(): void
}

// ---- behaviours -----------------------------------------------------------------------------------------------------

const json = (status: number, value: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value),
})

/** A refusal in Svix's own form. */
export const refusal = (status: number, code: string, headers?: Record<string, string>): Answer =>
  json(status, { code, detail: `the detail of ${code}` }, headers)

/** What Svix says of a message that is not valid. */
export const invalidMessage = (): Answer =>
  json(422, { detail: [{ loc: ['body', 'eventType'], msg: 'no such event type', type: 'value_error' }] })

export const html = (status: number): Answer => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: '<html><body><h1>It is not me</h1></body></html>',
})

export const healthy: Behaviour = ({ serve, answer }) => answer(serve())

/** Answers without having done anything. */
export const say =
  (what: Answer | number): Behaviour =>
  ({ answer }) =>
    answer(typeof what === 'number' ? { status: what } : what)

/** Does what was asked, and answers something else. */
export const serveAndSay =
  (what: Answer): Behaviour =>
  ({ serve, answer }) => {
    serve()
    answer(what)
  }

/** Says 429; `retryAfter` as in the header. */
export const limitRate = (retryAfter?: string): Behaviour =>
  say(refusal(429, 'rate_limit', retryAfter === undefined ? {} : { 'retry-after': retryAfter }))

/** Takes the request and never answers. */
export const hang: Behaviour = () => {}

export const serveAndHang: Behaviour = ({ serve }) => void serve()

/** Answers with a status and half of a body, and then nothing more. */
export const serveAndStall: Behaviour = ({ serve, response }) => {
  const { status, headers, body = '' } = serve()
  response.writeHead(status, { ...headers, 'content-length': body.length }).write(body.slice(0, body.length / 2))
}

export const drop: Behaviour = ({ response }) => void response.socket?.destroy()

export const serveAndDrop: Behaviour = ({ serve, response }) => {
  serve()
  response.socket?.resetAndDestroy()
}

/** Says that it has the message, which is not so, and closes the connection. */
export const conflictWithoutReason: Behaviour = say(refusal(409, 'conflict', { connection: 'close' }))

/** Answers without an end, as fast as it is read. `sent` learns of every piece. */
export const flood =
  (status: number, sent: (bytes: number) => void): Behaviour =>
  ({ response }) => {
    const piece = Buffer.alloc(65_536, 'x')
    const more = () => {
      while (!response.destroyed) {
        sent(piece.length)
        if (!response.write(piece)) return
      }
    }
    response.writeHead(status).on('drain', more).on('error', hang)
    more()
  }

/** Numbers in [0, 1) that a seed decides: mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** For each request one of these, at random, as often as its weight says. */
export function mixture(random: () => number, weighted: readonly (readonly [weight: number, Behaviour])[]): Behaviour {
  const total = weighted.reduce((sum, [weight]) => sum + weight, 0)
  return (exchange) => {
    let left = random() * total
    const [, behaviour] = weighted.find(([weight]) => (left -= weight) < 0) ?? [0, healthy]
    behaviour(exchange)
  }
}

// ---- the server -----------------------------------------------------------------------------------------------------

export async function startFakeSvix(): Promise<FakeSvix> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', hang)
    incoming.on('end', () => {
      const request = read(incoming, Buffer.concat(chunks).toString())
      fake.requests.push(request)
      const behave = fake.script.shift() ?? fake.otherwise
      behave({
        request,
        response,
        serve: () => account.serve(request),
        answer: ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const account = new Account()
  const fake: FakeSvix = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    messages: account.messages,
    script: [],
    otherwise: healthy,
    posts: () => fake.requests.filter((request) => request.method === 'POST'),
    forgetIdempotencyKeys: () => account.forgetKeys(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return fake
}

const read = ({ method = '', url = '', headers }: IncomingMessage, text: string): SvixRequest => ({
  method,
  path: url.split('?', 1)[0] ?? '',
  headers,
  text,
  at: Date.now(),
})

/** What https://api.svix.com/docs asks of an event id. It may not look like an id of Svix's own. */
const EVENT_ID = /^(?!msg_)[a-zA-Z0-9\-_.]{1,256}$/
const ROUTE = /^\/api\/v1\/app\/(?<app>[^/]+)\/msg(?:\/(?<id>[^/]+))?$/

/** The messages of one environment. */
class Account {
  readonly messages: SvixMessage[] = []
  readonly #known = new Map<string, SvixMessage>()
  readonly #successes = new Map<string, Answer>()

  serve(request: SvixRequest): Answer {
    const { app, id } = ROUTE.exec(request.path)?.groups ?? {}
    if (app === undefined) return refusal(404, 'not_found')
    if (request.headers.authorization !== `Bearer ${SVIX_TOKEN}`) return refusal(401, 'authentication_failed')
    if (request.method === 'GET' && id !== undefined) return this.#find(app, id)
    if (request.method !== 'POST' || id !== undefined) return refusal(405, 'method_not_allowed')
    const key = `${request.headers['idempotency-key'] as string} ${request.path}`
    const answer = this.#successes.get(key) ?? this.#create(app, request.text)
    if (answer.status < 300) this.#successes.set(key, answer)
    return answer
  }

  forgetKeys(): void {
    this.#successes.clear()
  }

  #find(app: string, id: string): Answer {
    const found = this.#known.get(`${app}/${id}`)
    return found === undefined ? refusal(404, 'not_found') : json(200, shown(found))
  }

  #create(app: string, text: string): Answer {
    const { eventId, eventType, payload } = JSON.parse(text) as Pick<SvixMessage, 'eventId' | 'eventType' | 'payload'>
    if (!EVENT_ID.test(eventId) || !/^[a-zA-Z0-9\-_.]{1,256}$/.test(eventType) || typeof payload !== 'object')
      return invalidMessage()
    if (this.#known.has(`${app}/${eventId}`)) return refusal(409, 'conflict')
    const message = { id: `msg_${this.messages.length + 1}`, app, eventId, eventType, payload, text }
    this.messages.push(message)
    for (const id of [message.id, eventId]) this.#known.set(`${app}/${id}`, message)
    return json(202, shown(message))
  }
}

const shown = ({ id, eventId, eventType }: SvixMessage) => ({
  id,
  eventId,
  eventType,
  payload: {},
  timestamp: new Date().toISOString(),
})
