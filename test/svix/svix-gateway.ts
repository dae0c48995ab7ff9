/** A gateway with its Svix API, tokens for it, and clients that remember everything that was said. */
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { type Claims, createTokens, hs256 } from '../../src/lib/jwt.ts'
import { type Gateway, startGateway } from '../acceptance/gateway.ts'

const JWT_SECRET = 'signs the tokens of these tests'
const DAY_MS = 86_400_000
const tokens = createTokens(hs256(JWT_SECRET), systemClock)

/** A token with these claims, valid for a day. */
export const sign = (claims: Claims, expiresAt = Date.now() + DAY_MS): Promise<string> => tokens.sign(claims, expiresAt)

export interface Asking {
  json?: unknown
  /** Sent as it is. */
  body?: string | Uint8Array<ArrayBuffer>
  headers?: Record<string, string>
}

export interface Exchange {
  method: string
  /** Below `/api/v1`, without the query. */
  path: string
  asked: unknown
  status: number
  headers: Headers
  text: string
}

export class Answer {
  readonly exchange: Exchange

  constructor(exchange: Exchange) {
    this.exchange = exchange
  }

  get status(): number {
    return this.exchange.status
  }

  get text(): string {
    return this.exchange.text
  }

  json<T = Thing>(): T {
    return JSON.parse(this.text) as T
  }
}

/** Whatever has an id or a name. */
export interface Thing {
  [member: string]: unknown
  id: string
  name: string
}

export interface List<T = Thing> {
  data: T[]
  iterator: string | null
  prevIterator?: string
  done: boolean
}

/** A status and the code of a refusal; what a refusal of a query or body names instead are the places. */
export const refusal = (answer: Answer): [number, unknown] => {
  const { code, detail } = answer.json<{ code?: string; detail: string | { loc: string[] }[] }>()
  return [answer.status, code ?? (typeof detail === 'string' ? detail : detail.map(({ loc }) => loc.join('.')))]
}

/** Asks with one token, or with none. */
export class SvixClient {
  readonly #url: string
  readonly #token: string | null
  readonly #exchanges: Exchange[]

  constructor(url: string, token: string | null, exchanges: Exchange[]) {
    this.#url = `${url}/api/v1`
    this.#token = token
    this.#exchanges = exchanges
  }

  /** `what` is a method and a path, such as `GET /app?limit=1`. */
  async call(what: string, { json, body, headers }: Asking = {}): Promise<Answer> {
    const [method = '', target = ''] = what.split(' ')
    const sent = json === undefined ? body : JSON.stringify(json)
    const response = await fetch(this.#url + target, {
      method,
      headers: {
        ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    })
    const exchange: Exchange = {
      method,
      path: target.split('?', 1)[0] ?? '',
      asked: json,
      status: response.status,
      headers: response.headers,
      text: await response.text(),
    }
    this.#exchanges.push(exchange)
    return new Answer(exchange)
  }

  /** Asks for what has to succeed, and returns the answer's body. */
  async ask<T = Thing>(what: string, json?: unknown): Promise<T> {
    const answer = await this.call(what, json === undefined ? {} : { json })
    if (answer.status >= 300) throw new Error(`${what}: ${answer.status} ${answer.text}`)
    return (answer.text === '' ? null : answer.json<T>()) as T
  }
}

export interface SvixGateway extends AsyncDisposable {
  gateway: Gateway
  exchanges: Exchange[]
  /** Speaks for an organization. */
  org: SvixClient
  nobody: SvixClient
  as: (token: string) => SvixClient
  /** Speaks for another organization, or for an application of the first. */
  ofOrg: (org: string) => Promise<SvixClient>
  ofApp: (app: { id: string }, claims?: Claims) => Promise<SvixClient>
}

const ORG = 'org_acme'

export async function startSvixGateway(
  environment: NodeJS.ProcessEnv = {},
  options: { clock?: Clock } = {},
): Promise<SvixGateway> {
  const gateway = await startGateway({ JWT_SECRET, ...environment }, undefined, options)
  const exchanges: Exchange[] = []
  const as = (token: string | null) => new SvixClient(gateway.url, token, exchanges)
  return {
    gateway,
    exchanges,
    org: as(await sign({ sub: ORG })),
    nobody: as(null),
    as,
    ofOrg: async (org) => as(await sign({ sub: org })),
    ofApp: async ({ id }, claims) => as(await sign({ org: ORG, sub: id, ...claims })),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

/** A key as the SDKs make one for every POST. */
export const repeatKey = (key: string): { headers: Record<string, string> } => ({
  headers: { 'idempotency-key': `auto_${key}` },
})
