/**
 * Delivery as a signed POST. The bytes go out as they came in; what the receiver needs in order to trust them is in the
 * headers (https://github.com/standard-webhooks/standard-webhooks, and GitHub's `X-Hub-Signature-256`).
 *
 * One time-out covers the attempt from the name's resolution to the last byte of the response. A response is read to a
 * bound and then cut off. Once a status has arrived it decides, however the body goes on: the receiver has spoken.
 */
import { Agent, type Dispatcher } from 'undici'
import type { Outcome } from '../domain/delivery.ts'
import { activeSecrets, type Endpoint } from '../domain/endpoint.ts'
import { HOPS_HEADER } from '../domain/hops.ts'
import { LIMITS } from '../domain/limits.ts'
import { parseRetryAfter } from '../domain/retry-after.ts'
import { parseSecretCached } from '../domain/secret.ts'
import { signHub, signStandard } from '../domain/signature.ts'
import type { Clock } from '../lib/clock.ts'
import type { DeliveryRequest, Driver } from './driver.ts'
import { failureWords, timedOutWords } from './failure-words.ts'
import { boundAnswers } from './answer-bound.ts'
import type { AddressGuard } from './guard.ts'
import { lacking, ownLack } from './own-lack.ts'

export interface HttpDriverOptions {
  guard: AddressGuard
  clock: Clock
  userAgent: string
  /** Which family of Standard Webhooks headers is sent. */
  signatureHeaders: 'both' | 'webhook' | 'svix'
  connectTimeoutMs: number
}

export function createHttpDriver(options: HttpDriverOptions): Driver {
  const agent = new Agent({
    connect: boundAnswers(options.guard.connector({ connectTimeoutMs: options.connectTimeoutMs })),
    // A longer head never gets that far.
    maxHeaderSize: LIMITS.answerBytesOnWire,
    pipelining: 1,
    allowH2: false,
    // The attempt's own time-out covers these; two timers less for each request.
    headersTimeout: 0,
    bodyTimeout: 0,
    // An answer of DNS should not be believed for ever.
    keepAliveMaxTimeout: 60_000,
  })
  const targets = new WeakMap<Endpoint, Target>()
  const targetOf = (endpoint: Endpoint): Target => {
    let target = targets.get(endpoint)
    if (target === undefined) targets.set(endpoint, (target = prepare(endpoint, options)))
    return target
  }

  return {
    name: 'http',
    deliver(request) {
      const target = targetOf(request.endpoint)
      if (target.refusal !== null) return Promise.resolve({ kind: 'unreachable', error: `blocked: ${target.refusal}` })
      return new Promise((resolve) => {
        const exchange = new Exchange(request, target, options.clock, resolve)
        agent.dispatch(
          {
            origin: target.url.origin,
            path: target.path,
            method: 'POST',
            headers: headersOf(request, target, options.signatureHeaders),
            body: request.message.payload,
          },
          exchange,
        )
      })
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** What an endpoint's settings amount to, worked out once and not for each attempt. */
interface Target {
  url: URL
  path: string
  /** Why the guard forbids the URL, whatever its name resolves to. */
  refusal: string | null
  /** Names and values in turn, as undici takes them. */
  headers: string[]
}

function prepare(endpoint: Endpoint, { guard, userAgent }: HttpDriverOptions): Target {
  const url = new URL(endpoint.url)
  const headers = ['user-agent', userAgent, 'accept', '*/*', ...Object.entries(endpoint.headers).flat()]
  return { url, path: url.pathname + url.search, refusal: guard.refusesUrl(url), headers }
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
  // The header holds one signature, so it is the newest key's. An ed25519 key has no HMAC to offer.
  const [newest] = keys
  if (newest?.kind === 'hmac') headers.push('x-hub-signature-256', signHub(newest, message.payload))
  return headers
}

/** One request and its answer; resolves exactly once. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: DeliveryRequest
  readonly #target: Target
  readonly #clock: Clock
  readonly #resolve: (outcome: Outcome) => void
  readonly #timer: { cancel(): void }
  #controller: Dispatcher.DispatchController | null = null
  #ended = false
  #status = 0
  #interim = 0
  #retryAfter: string | undefined
  #isLoop = false
  #read = 0
  readonly #kept: Buffer[] = []

  constructor(request: DeliveryRequest, target: Target, clock: Clock, resolve: (outcome: Outcome) => void) {
    this.#request = request
    this.#target = target
    this.#clock = clock
    this.#resolve = resolve
    this.#timer = clock.after(request.timeoutMs, () => this.#cutOff(new Error(timedOutWords(request.timeoutMs))))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // It may have waited for a connection until its time was over.
    if (this.#ended) controller.abort(new Error(timedOutWords(this.#request.timeoutMs)))
    else this.#controller = controller
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, unknown>,
  ): void {
    // Interim answers such as 103 do not end an exchange, but there is an end to them.
    if (statusCode < 200) {
      if (++this.#interim > LIMITS.interimAnswersMax)
        this.#cutOff(new Error(`${this.#target.url.host} sent more than ${LIMITS.interimAnswersMax} interim answers`))
      return
    }
    this.#status = statusCode
    const retryAfter = headers['retry-after']
    if (typeof retryAfter === 'string') this.#retryAfter = retryAfter
    // Other servers mean other things by this status, and some of them pass.
    this.#isLoop = statusCode === 508 && headers[HOPS_HEADER] !== undefined
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = LIMITS.responseBytesKept - Math.min(this.#read, LIMITS.responseBytesKept)
    if (room > 0) this.#kept.push(Buffer.from(chunk.subarray(0, room)))
    this.#read += chunk.length
    if (this.#read > LIMITS.responseBytesRead) this.#cutOff(new Error('the response is too long'))
  }

  onResponseEnd(): void {
    this.#end(this.#answered())
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#end(this.#status > 0 ? this.#answered() : this.#unanswered(error))
  }

  #unanswered(error: Error): Outcome {
    const lack = ownLack(error)
    return lack === null ? { kind: 'unreachable', error: failureWords(error, this.#target.url.host) } : lacking(lack)
  }

  #cutOff(reason: Error): void {
    this.#end(this.#status > 0 ? this.#answered() : { kind: 'unreachable', error: reason.message })
    this.#controller?.abort(reason)
  }

  #end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer.cancel()
    this.#resolve(outcome)
  }

  #answered(): Outcome {
    const statusCode = this.#status
    const response = this.#kept.length === 0 ? null : textOf(Buffer.concat(this.#kept))
    if (statusCode >= 200 && statusCode < 300) return { kind: 'accepted', statusCode, response }
    if (statusCode === 410)
      return { kind: 'gone', statusCode, response, error: 'answered 410 Gone: the endpoint is disabled' }
    if (this.#isLoop) return { kind: 'rejected', statusCode, response, error: LOOP }
    // Standard Webhooks, "Delivery and retries": the two statuses by which a receiver asks for less.
    const isOverload = statusCode === 429 || statusCode === 503
    const isRedirect = statusCode >= 300 && statusCode < 400
    return {
      kind: 'refused',
      statusCode,
      response,
      error: isRedirect ? `answered ${statusCode}: redirects are not followed` : `answered ${statusCode}`,
      isOverload,
      retryAfterMs: isOverload ? parseRetryAfter(this.#retryAfter, this.#clock.now()) : null,
    }
  }
}

const LOOP =
  'answered 508: the receiver is a Hookferry, and for it the event is in a loop (MAX_HOPS) or came to a route that takes no events'

/** Text that every store can hold: PostgreSQL knows no NUL in a text. */
const textOf = (bytes: Buffer): string => bytes.toString('utf8').replaceAll('\0', '\u{fffd}')
