/** For the tests of the Svix API: tokens of any kind, and the official JavaScript client beside bare requests. */
import { createHmac } from 'node:crypto'
import { Svix } from 'svix'
import { expect } from 'vitest'
import { type Answer, type Client, type Gateway, type Sending, startGateway } from '../acceptance/gateway.ts'

export const JWT_SECRET = 'the secret that signs the tokens'

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token as RFC 7515 writes it; `signature` makes it from the two parts before it. */
export function jwt(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = { alg: 'HS256', typ: 'JWT' },
  signature: (signed: string) => string = hmac(JWT_SECRET),
): string {
  const signed = `${part(header)}.${part(claims)}`
  return `${signed}.${signature(signed)}`
}

export const hmac =
  (secret: string, algorithm = 'sha256') =>
  (signed: string): string =>
    createHmac(algorithm, secret).update(signed).digest('base64url')

export const orgToken = (org: string): string => jwt({ sub: org })
export const portalToken = (org: string, app: string, claims: Record<string, unknown> = {}): string =>
  jwt({ org, sub: app, ...claims })

/** What somebody with a token does, through the client or by hand. */
export class Caller {
  readonly svix: Svix
  readonly token: string
  readonly #client: Client

  constructor(client: Client, token: string) {
    this.#client = client
    this.token = token
    // A 5xx is a mistake of the gateway, which trying again would hide.
    this.svix = new Svix(token, { serverUrl: client.url, retryScheduleInMs: [] })
  }

  /** `path` is below `/api/v1`. */
  send(path: string, sending: Sending = {}): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.token}`, ...sending.headers }
    return this.#client.send(`/api/v1${path}`, { ...sending, headers })
  }

  /** Sends what has to be answered with success, and returns the answer's body. */
  async ask<T>(path: string, sending: Sending = {}): Promise<T> {
    const answer = await this.send(path, sending)
    if (answer.status >= 300) throw new Error(`${sending.method ?? ''} ${path}: ${answer.status} ${answer.text}`)
    return answer.json<T>()
  }
}

let organizations = 0
/** An organization that nobody has used before. */
export const newOrg = (): string => `org_test${++organizations}`

export const newTenant = (client: Client, org: string = newOrg()): Caller & { org: string } =>
  Object.assign(new Caller(client, orgToken(org)), { org })

export const startSvixGateway = (
  environment: NodeJS.ProcessEnv = {},
  directory?: string,
  options: Parameters<typeof startGateway>[2] = {},
): Promise<Gateway> => startGateway({ JWT_SECRET, ...environment }, directory, options)

/** How a refusal looks to a user of the client. */
export const refusal = (code: number, body: unknown = expect.anything()) =>
  expect.objectContaining({ code, body }) as unknown as Error

export interface Page<T> {
  data: T[]
  iterator: string | null
  prevIterator?: string
  done: boolean
}
