/**
 * Ends the process. SIGTERM turns readiness red. If `SHUTDOWN_DELAY` is set, the gateway then goes on serving while
 * load balancers notice. After that, requests and attempts under way finish. SIGINT does not wait, a second signal ends
 * the wait, and one more ends the process. When a part died there is no wait: the work still running could not be
 * recorded.
 */
import type { App } from '../app.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Logger } from '../lib/log.ts'

/** Time after the drain: to close the store and write the last log lines. */
const EXIT_GRACE_MS = 1_500
/** Time after a part died: long enough to refuse the requests under way. */
const FATAL_GRACE_MS = 1_000

export class Ending {
  readonly #app: () => App | null
  readonly #log: Logger
  readonly #flush: () => void
  #phase: 'running' | 'leaving' | 'draining' = 'running'
  #endDelay = (): void => {}

  /** `app` is null as long as it is being built. */
  constructor(app: () => App | null, { log, flush }: { log: Logger; flush: () => void }) {
    this.#app = app
    this.#log = log
    this.#flush = flush
  }

  listen(shutdownDelayMs: number): void {
    process.on('SIGTERM', () => void this.#signalled('SIGTERM', shutdownDelayMs))
    process.on('SIGINT', () => void this.#signalled('SIGINT', 0))
  }

  async #signalled(signal: string, delayMs: number): Promise<void> {
    if (this.#phase === 'leaving') return this.#endDelay()
    if (this.#phase === 'draining') return this.#exit(1)
    this.#log.info({ reason: signal, ...(delayMs > 0 && { delay_ms: delayMs }) }, 'stopping')
    if (delayMs > 0) await this.#leave(delayMs)
    await this.#drain(0, LIMITS.drainMs + EXIT_GRACE_MS)
  }

  /** A part died that cannot be opened again in this process. */
  async died(error: Error): Promise<void> {
    this.#log.fatal({ error: error.message }, 'a part of the gateway died, so it ends')
    if (this.#phase === 'draining') return this.#exit(1)
    await this.#drain(1, FATAL_GRACE_MS)
  }

  /** Every request is still served, but readiness tells callers to go elsewhere. */
  async #leave(delayMs: number): Promise<void> {
    this.#phase = 'leaving'
    this.#app()?.announceEnd()
    await new Promise<void>((resolve) => {
      this.#endDelay = resolve
      setTimeout(resolve, delayMs)
    })
  }

  async #drain(exitCode: number, graceMs: number): Promise<void> {
    // A death cut the wait short.
    if (this.#phase === 'draining') return
    this.#phase = 'draining'
    setTimeout(() => this.#exit(1), graceMs).unref()
    try {
      await this.#app()?.[Symbol.asyncDispose]()
      this.#log.info('stopped')
      this.#exit(exitCode)
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, 'stopping failed')
      this.#exit(1)
    }
  }

  #exit(exitCode: number): never {
    this.#flush()
    process.exit(exitCode)
  }
}
