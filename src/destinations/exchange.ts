/**
 * Makes one attempt over HTTP and reports its outcome. An attempt is one request, or two when the first crossed the end
 * of a kept connection.
 */
import type { Dispatcher } from 'undici'
import type { Outcome } from '../domain/delivery.ts'
import { HOPS_HEADER } from '../domain/hops.ts'
import type { Clock } from '../lib/clock.ts'
import type { Agents } from './agents.ts'
import { type ConnectionEnd, endBy, endOf } from './connection.ts'
import { timedOutWords } from './failure-words.ts'
import { DESTINATION_LIMITS } from './limits.ts'
import { type Heard, isWorthRepeating, judge } from './outcome.ts'
import type { InTurns } from './ends-in-turns.ts'

export interface ExchangeOptions {
  agents: Agents
  clock: Clock
  url: URL
  timeoutMs: number
  request: Dispatcher.DispatchOptions
  /** Ends attempts that time out together a few at a time. All attempts of a driver share one. */
  inTurns: InTurns
}

/** Ends within the time-out; a failure is a value. */
export function exchange(options: ExchangeOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    options.agents.kept.dispatch(options.request, new Exchange(options, resolve))
  })
}

/** Resolves exactly once. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #resolve: (outcome: Outcome) => void
  readonly #timer: { cancel(): void }
  readonly #heard: Heard = {
    status: 0,
    hasHead: false,
    retryAfter: undefined,
    location: undefined,
    isFromHookferry: false,
    response: null,
  }
  /** Null until the request is written. */
  #controller: Dispatcher.DispatchController | null = null
  #isRepeat = false
  #ended = false
  #read = 0
  readonly #kept: Buffer[] = []

  constructor(options: ExchangeOptions, resolve: (outcome: Outcome) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#timer = options.clock.after(options.timeoutMs, () =>
      options.inTurns(() => {
        // The answer may have come while this end waited for its turn.
        if (!this.#ended) this.#cutOff(this.#timedOut())
      }),
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // The request may have waited for a connection until its time was over.
    if (this.#ended) controller.abort(this.#timedOut())
    else this.#controller = controller
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, unknown>,
  ): void {
    // Interim answers do not come this far, except a switch of protocols that does not name the protocol.
    if (statusCode < 200) return
    const heard = this.#heard
    heard.status = statusCode
    heard.hasHead = true
    heard.retryAfter = textIn(headers['retry-after'])
    heard.location = textIn(headers['location'])
    heard.isFromHookferry = headers[HOPS_HEADER] !== undefined
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = DESTINATION_LIMITS.responseBytesKept - Math.min(this.#read, DESTINATION_LIMITS.responseBytesKept)
    if (room > 0) this.#kept.push(Buffer.from(chunk.subarray(0, room)))
    this.#read += chunk.length
    if (this.#read > DESTINATION_LIMITS.responseBytesRead) this.#cutOff(new Error('the response is too long'))
  }

  onResponseEnd(): void {
    this.#end(null, null)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#ended) return
    const end = endOf(error)
    const isOver = this.#isRepeat || this.#heard.status > 0
    if (end === null || isOver || !isWorthRepeating(end, this.#controller !== null)) return this.#end(error, end)
    this.#isRepeat = true
    this.#controller = null
    this.#options.agents.fresh.dispatch(this.#options.request, this)
  }

  #timedOut(): Error {
    return new Error(timedOutWords(this.#options.timeoutMs))
  }

  #cutOff(reason: Error): void {
    if (this.#ended) return
    this.#ended = true
    const controller = this.#controller
    this.#settle(reason, controller === null ? null : endBy(() => controller.abort(reason)))
  }

  #end(error: Error | null, end: ConnectionEnd | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#settle(error, end)
  }

  #settle(error: Error | null, end: ConnectionEnd | null): void {
    this.#timer.cancel()
    const heard = this.#heard
    // The rest of the head was not here, or was unreadable.
    if (heard.status === 0 && end !== null) heard.status = end.status
    if (this.#kept.length > 0) heard.response = textOf(Buffer.concat(this.#kept))
    const { url, clock } = this.#options
    this.#resolve(judge(heard, error, { url, now: clock.now() }))
  }
}

const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Text that every store can hold: PostgreSQL knows no NUL in a text. */
const textOf = (bytes: Buffer): string => bytes.toString('utf8').replaceAll('\0', '\u{fffd}')
