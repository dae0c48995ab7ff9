import type { Clock } from '../lib/clock.ts'

/** Runs for as long as the gateway does. It returns soon after `signal` is aborted. */
export interface Service {
  readonly name: string
  run(signal: AbortSignal): Promise<void>
}

/** Waits, but no longer than until `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(ms, done)
    signal.addEventListener('abort', done)
  })
}

/**
 * A service that does `step` again and again, `ms` apart. A step that throws ends the service; the runner starts it
 * again.
 */
export function every(
  name: string,
  clock: Clock,
  ms: number,
  step: (signal: AbortSignal) => Promise<unknown>,
): Service {
  return {
    name,
    async run(signal) {
      while (!signal.aborted) {
        await step(signal)
        await pause(clock, ms, signal)
      }
    },
  }
}

const BACKOFF_MS = { first: 100, max: 10_000 }

/**
 * Runs services until disposed. A service that fails is reported and started again, at first soon and then ever later.
 * Disposing waits until all services have returned.
 */
export function runServices(
  services: readonly Service[],
  clock: Clock,
  onFailure: (service: string, error: unknown) => void,
): AsyncDisposable {
  const stop = new AbortController()
  const keepRunning = async (service: Service) => {
    let backoffMs = BACKOFF_MS.first
    while (!stop.signal.aborted) {
      const startedAt = clock.now()
      try {
        await service.run(stop.signal)
        if (!stop.signal.aborted) throw new Error('it ended by itself')
      } catch (error) {
        if (stop.signal.aborted) return
        onFailure(service.name, error)
        if (clock.now() - startedAt > BACKOFF_MS.max) backoffMs = BACKOFF_MS.first
        await pause(clock, backoffMs, stop.signal)
        backoffMs = Math.min(backoffMs * 2, BACKOFF_MS.max)
      }
    }
  }
  const running = services.map(keepRunning)
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(running)
    },
  }
}
