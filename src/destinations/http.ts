/**
 * Delivers a message as a signed POST. The bytes go out as they came in. The headers hold the signatures that a
 * receiver checks (https://github.com/standard-webhooks/standard-webhooks, and GitHub's `X-Hub-Signature-256`).
 *
 * One time-out covers the attempt from the name's resolution to the last byte of the response. A response is read up to
 * a bound and then cut off. outcome.ts judges the outcome of the attempt.
 */
import { activeSecrets, type Endpoint } from '../domain/endpoint.ts'
import { HOPS_HEADER } from '../domain/hops.ts'
import { parseSecretCached } from '../domain/secret.ts'
import { signHub, signStandard } from '../domain/signature.ts'
import type { Clock } from '../lib/clock.ts'
import { openAgents } from './agents.ts'
import type { DeliveryRequest, Driver } from './driver.ts'
import { endsInTurns } from './ends-in-turns.ts'
import { exchange } from './exchange.ts'
import type { AddressGuard } from './guard.ts'
import { DESTINATION_LIMITS } from './limits.ts'
import type { ProxySettings } from './proxy-url.ts'
import { throughProxy } from './proxy.ts'

export interface HttpDriverOptions {
  guard: AddressGuard
  clock: Clock
  userAgent: string
  /** The family of Standard Webhooks headers that is sent. */
  signatureHeaders: 'both' | 'webhook' | 'svix'
  connectTimeoutMs: number
  /** The HTTP proxy of deliveries; null when they connect directly. */
  proxy?: ProxySettings | null
  /**
   * Checks certificates. False for tests only: without the check, anyone on the way can read and change what is sent.
   */
  verifyTls?: boolean
  /** The greatest age of a connection when an attempt begins on it, ms. */
  connectionAgeMs?: number
}

export function createHttpDriver(options: HttpDriverOptions): Driver {
  const { guard, clock, connectTimeoutMs, connectionAgeMs, proxy = null, verifyTls = true } = options
  const direct = guard.connector({ connectTimeoutMs, verifyTls })
  const agents = openAgents({
    connect: proxy === null ? direct : throughProxy({ ...proxy, direct, connectTimeoutMs, verifyTls, clock }),
    bounds: { bytesMax: DESTINATION_LIMITS.answerBytesOnWire, linesMax: DESTINATION_LIMITS.answerLinesMax },
    clock,
    ...(connectionAgeMs === undefined ? {} : { connectionAgeMs }),
  })
  const inTurns = endsInTurns()
  const targets = new WeakMap<Endpoint, Target>()
  const targetOf = (endpoint: Endpoint): Target => {
    let target = targets.get(endpoint)
    if (target === undefined) targets.set(endpoint, (target = prepare(endpoint, options)))
    return target
  }

  return {
    kind: 'http',
    deliver(request) {
      const target = targetOf(request.endpoint)
      if (target.refusal !== null) return Promise.resolve({ kind: 'unreachable', error: `blocked: ${target.refusal}` })
      const { url, path } = target
      const headers = headersOf(request, target, options.signatureHeaders)
      const body = request.message.payload
      return exchange({
        agents,
        clock,
        url,
        timeoutMs: request.timeoutMs,
        request: { origin: url.origin, path, method: 'POST', headers, body },
        inTurns,
      })
    },
    [Symbol.asyncDispose]: () => agents[Symbol.asyncDispose](),
  }
}

/** Values derived from an endpoint's settings, computed once and not for each attempt. */
interface Target {
  url: URL
  path: string
  /** The reason why the guard forbids the URL, whatever its name resolves to; null when it does not. */
  refusal: string | null
  /** Names and values alternate, as undici takes them. */
  headers: string[]
}

function prepare(endpoint: Endpoint, { guard, userAgent }: HttpDriverOptions): Target {
  const url = new URL(endpoint.url)
  const custom = Object.entries(endpoint.headers)
  const names = new Set(custom.map(([name]) => name.toLowerCase()))
  const defaults = Object.entries({ 'user-agent': userAgent, accept: '*/*' }).filter(([name]) => !names.has(name))
  return {
    url,
    path: url.pathname + url.search,
    refusal: guard.refusesUrl(url),
    headers: [...defaults, ...custom].flat(),
  }
}

function headersOf(
  { message, endpoint, at }: DeliveryRequest,
  target: Target,
  family: HttpDriverOptions['signatureHeaders'],
): string[] {
  const timestamp = Math.floor(at / 1_000)
  const keys = activeSecrets(endpoint, at).map(parseSecretCached)
  const signature = keys.map((key) => signStandard(key, message.id, timestamp, message.payload)).join(' ')
  const headers = [...target.headers, 'content-type', message.contentType, 'x-event-type', message.eventType]
  headers.push(HOPS_HEADER, String(message.hops + 1))
  for (const prefix of family === 'both' ? ['webhook', 'svix'] : [family]) {
    headers.push(`${prefix}-id`, message.id, `${prefix}-timestamp`, String(timestamp))
    if (signature !== '') headers.push(`${prefix}-signature`, signature)
  }
  // The header holds one signature, made with the newest key. An ed25519 key cannot make an HMAC.
  const [newest] = keys
  if (newest?.kind === 'hmac') headers.push('x-hub-signature-256', signHub(newest, message.payload))
  return headers
}
