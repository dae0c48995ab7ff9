/**
 * Delivers a message to Svix as one Svix message, through the official SDK.
 *
 * Each attempt names the same event id and idempotency key, derived from the event itself, so that Svix recognises a
 * repeat after a lost answer or a crash. The SDK's own retries are off: the queue retries, and the queue survives a
 * crash. The SDK has no time-out for an attempt, follows redirects and reads answers without a bound. So the SDK gets a
 * `fetch` that does better.
 *
 * A rate limit, or refused credentials, say nothing about the message: they pause the destination and cost no attempt.
 * While nothing else is known the pauses grow; the next success ends that.
 */
import { Svix } from 'svix'
import { buildConnector, fetch as fetchOver } from 'undici'
import type { Outcome } from '../domain/delivery.ts'
import { HOPS_HEADER } from '../domain/hops.ts'
import { parseRetryAfter } from '../domain/retry-after.ts'
import { type SvixApp, svixAppOf, svixEventId } from '../domain/svix-id.ts'
import type { Clock } from '../lib/clock.ts'
import { type Agents, openAgents } from './agents.ts'
import { DESTINATION_LIMITS } from './limits.ts'
import type { ProxySettings } from './proxy-url.ts'
import { throughProxy } from './proxy.ts'
import { endOf } from './connection.ts'
import type { DeliveryRequest, Driver } from './driver.ts'
import { failureWords, timedOutWords } from './failure-words.ts'
import { ownLack } from './own-lack.ts'
import { classifySvix, classifySvixQuestion, type SvixAnswer, type SvixVerdict } from './svix-classify.ts'

export interface SvixDriverOptions {
  token: string
  /** The address of the server; null lets the SDK choose by the token's region. */
  serverUrl: string | null
  app: SvixApp
  clock: Clock
  /** The HTTP proxy; null connects directly. */
  proxy?: ProxySettings | null
  /** Length of a pause for which Svix gave none, ms: the first, and the longest. */
  pauseMs?: { first: number; max: number }
}

const DEFAULT_PAUSE_MS = { first: 1_000, max: 60_000 }
/**
 * Svix forgets idempotency keys after 12 hours and, in its cloud, event ids after a day. Later attempts ask Svix first
 * whether it has the message.
 */
const MEMORY_MS = 11 * 3_600_000
const ANSWER_BYTES_MAX = 1_048_576
/** `boundedText` bounds the texts that the operator's own server sends. */
const OWN_BOUNDS = { bytesMax: Infinity, linesMax: Infinity }
const CONNECT_TIMEOUT_MS = 10_000

function connectorFor({ proxy = null, clock }: SvixDriverOptions): buildConnector.connector {
  const direct = buildConnector({ allowH2: false, timeout: CONNECT_TIMEOUT_MS })
  if (proxy === null) return direct
  return throughProxy({ ...proxy, direct, connectTimeoutMs: CONNECT_TIMEOUT_MS, verifyTls: true, clock })
}

export function createSvixDriver(options: SvixDriverOptions): Driver {
  const { clock } = options
  const stop = new AbortController()
  const pauses = new Pauses(clock, options.pauseMs ?? DEFAULT_PAUSE_MS)
  const agents = openAgents({
    connect: connectorFor(options),
    bounds: OWN_BOUNDS,
    clock,
  })

  /** One call of the SDK. Each call has its own client, so that its result is not mixed up with that of other calls. */
  async function call(
    time: AttemptTime,
    use: (svix: Svix) => Promise<{ id?: unknown }>,
    hops?: number,
  ): Promise<SvixAnswer> {
    const seen: { status: number | null; body: string | null; retryAfter: string | undefined } = {
      status: null,
      body: null,
      retryAfter: undefined,
    }
    const fetchOnce: typeof fetch = async (input, init) => {
      const headers = new Headers(init?.headers)
      if (hops !== undefined) headers.set(HOPS_HEADER, String(hops))
      const response = await fetchFrom(agents, new Request(input).url, { ...init, headers, signal: time.isOver })
      const body = await boundedText(response)
      seen.status = response.status
      seen.body = body
      seen.retryAfter = response.headers.get('retry-after') ?? undefined
      // A response with one of these statuses may not have a body, not even an empty one.
      const isBodiless = response.status === 204 || response.status === 304
      return new Response(isBodiless ? null : body, { status: response.status, headers: [...response.headers] })
    }
    const svix = new Svix(options.token, {
      retryScheduleInMs: [],
      fetch: fetchOnce,
      ...(options.serverUrl === null ? {} : { serverUrl: options.serverUrl }),
    })
    const answer = (messageId: unknown, error: string | null, lack: string | null): SvixAnswer => ({
      status: seen.status,
      messageId: typeof messageId === 'string' && messageId !== '' ? messageId : null,
      body: seen.body?.slice(0, DESTINATION_LIMITS.responseBytesKept).replaceAll('\0', '\u{fffd}') ?? null,
      retryAfterMs: parseRetryAfter(seen.retryAfter, clock.now()),
      error,
      lack: seen.status === null ? lack : null,
    })
    try {
      const created = await use(svix)
      return answer(created.id, null, null)
    } catch (error) {
      // The SDK throws for every status except success, and throws a SyntaxError for a body that is not JSON. The
      // status counts.
      return answer(null, wordsFor(error, time.timeoutMs, options.serverUrl ?? 'Svix'), ownLack(error))
    }
  }

  async function create(request: DeliveryRequest): Promise<Exclude<SvixVerdict, { kind: 'confirm' }>> {
    const prepared = prepare(request, options.app)
    if ('problem' in prepared) return { kind: 'rejected', statusCode: null, response: null, error: prepared.problem }
    const { app, eventId, payload } = prepared
    const { eventType, receivedAt, hops } = request.message
    const { timeoutMs } = request
    const time = { timeoutMs, isOver: AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]) }
    const ask = async () =>
      classifySvixQuestion(await call(time, (svix) => svix.message.get(app, eventId, { withContent: false })))

    if (clock.now() - receivedAt > MEMORY_MS) {
      const known = await ask()
      if (known !== null) return known
    }
    const body = { eventType, eventId, payload }
    const verdict = classifySvix(
      await call(
        time,
        (svix) => svix.message.create(app, body, { idempotencyKey: eventId, withContent: false }),
        hops + 1,
      ),
    )
    if (verdict.kind !== 'confirm') return verdict
    const known = await ask()
    if (known !== null) return known
    return {
      kind: 'refused',
      statusCode: 409,
      response: null,
      error: 'Svix answered 409 but does not have the message',
      // An overloaded Svix answers in another way, and the event is deferred.
      isOverload: false,
      retryAfterMs: null,
    }
  }

  return {
    kind: 'svix',
    async deliver(request): Promise<Outcome> {
      const verdict = await create(request)
      if (verdict.kind === 'pause') {
        const waitMs = pauses.next(verdict.waitMs)
        return { kind: 'deferred', reason: verdict.reason, error: verdict.error, waitMs }
      }
      if (verdict.kind === 'accepted') pauses.end()
      return verdict
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the gateway shut down'))
      await agents[Symbol.asyncDispose]()
    },
  }
}

/** Time-out of all calls of one attempt together. */
interface AttemptTime {
  timeoutMs: number
  isOver: AbortSignal
}

/** The pause when Svix does not say how long: it doubles with each round that ends like the one before. */
class Pauses {
  readonly #clock: Clock
  readonly #ms: { first: number; max: number }
  #round = 0
  #until = 0

  constructor(clock: Clock, ms: { first: number; max: number }) {
    this.#clock = clock
    this.#ms = ms
  }

  /** The wait from now. Attempts that ran at the same time share a pause: they are one round. */
  next(askedMs: number | null): number {
    const now = this.#clock.now()
    if (now >= this.#until) {
      this.#round++
      this.#until = now + Math.min(this.#ms.first * 2 ** (this.#round - 1), this.#ms.max)
    }
    if (askedMs !== null) this.#until = Math.max(this.#until, now + askedMs)
    // A wait of 0 is no pause: an attempt that costs nothing would be made again and again.
    return askedMs === null ? this.#until - now : Math.max(askedMs, this.#ms.first)
  }

  end(): void {
    this.#round = 0
  }
}

type Prepared = { app: string; eventId: string; payload: unknown } | { problem: string }

function prepare({ message }: DeliveryRequest, app: SvixDriverOptions['app']): Prepared {
  const bytes = message.payload.byteLength
  if (bytes > DESTINATION_LIMITS.svixPayloadBytesMax)
    return { problem: `the event has ${bytes} bytes; Svix takes at most ${DESTINATION_LIMITS.svixPayloadBytesMax}` }
  let payload: unknown
  try {
    payload = parseExactly(Buffer.from(message.payload).toString('utf8'))
  } catch (error) {
    // The payload is JSON, or it would not have been accepted; but the stack has an end.
    return { problem: `the event cannot be read, it may be nested too deeply: ${(error as Error).message}` }
  }
  const found = svixAppOf(payload, app)
  if ('problem' in found) return found
  return { app: found.app, eventId: svixEventId(message.eventId ?? message.id), payload }
}

interface RawJson {
  rawJSON(text: string): unknown
}

/** Parses so that writing the value again keeps every number as it was written: `1.0`, `1e5`, integers beyond 2^53. */
function parseExactly(text: string): unknown {
  const keepNumber = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && context?.source !== undefined
      ? (JSON as unknown as RawJson).rawJSON(context.source)
      : value
  return JSON.parse(text, keepNumber)
}

/**
 * Asks once more, on a new connection, when a kept connection ended without an answer: Svix may have closed it just
 * then. If Svix did take the event, the event id lets Svix recognise the repeat.
 */
async function fetchFrom(
  agents: Agents,
  url: string,
  { method = 'GET', body, headers, signal }: RequestInit & { headers: Headers; signal: AbortSignal },
): ReturnType<typeof fetchOver> {
  const request = { method, body: body as string | null, headers: [...headers], signal, redirect: 'manual' as const }
  try {
    return await fetchOver(url, { ...request, dispatcher: agents.kept })
  } catch (error) {
    const end = error instanceof Error ? endOf(error.cause) : null
    const wasKept = end !== null && (end.requests > 1 || end.hasBegun)
    if (!wasKept || signal.aborted) throw error
    return fetchOver(url, { ...request, dispatcher: agents.fresh })
  }
}

async function boundedText(response: { body: AsyncIterable<Uint8Array> | null }): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`Svix answered with more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function wordsFor(error: unknown, timeoutMs: number, server: string): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return timedOutWords(timeoutMs)
  const host = URL.canParse(server) ? new URL(server).host : server
  return failureWords(error.cause ?? error, host)
}
