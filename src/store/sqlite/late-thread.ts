import { GatewayError } from '../../domain/errors.ts'
import type { Call } from './thread.ts'
import type { ThreadClient } from './thread-client.ts'

/**
 * A thread that is started when it is first asked something: each takes about 18 MB, and many gateways are never asked
 * for a list or a search. Calls that come while the thread starts wait for it. If it cannot start, they fail, and the
 * next call tries again.
 */
export class LateThread {
  readonly #open: () => Promise<ThreadClient>
  #opened: Promise<ThreadClient> | null = null
  #isClosed = false

  constructor(open: () => Promise<ThreadClient>) {
    this.#open = open
  }

  async call(call: Call): Promise<unknown> {
    if (this.#isClosed) throw new GatewayError('shutting_down')
    const client = await (this.#opened ??= this.#start())
    return client.call(call)
  }

  async #start(): Promise<ThreadClient> {
    try {
      return await this.#open()
    } catch (error) {
      this.#opened = null
      throw new GatewayError('store_unavailable', { cause: error })
    }
  }

  /** Starts no thread any more, and closes the one that there is. */
  async close(): Promise<void> {
    this.#isClosed = true
    const client = await this.#opened?.catch(() => null)
    await client?.close()
  }
}
