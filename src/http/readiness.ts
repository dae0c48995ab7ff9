import { GatewayError } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/store.ts'
import { atMost } from './constants.ts'

/** Probes may come from any client, as often as it likes; together they cost one small commit a second. */
const PER_SECOND = 1

/**
 * The problem that keeps the store from committing, or null. The answer is at most a second old, and comes within
 * `LIMITS.readyProbeMs`.
 */
export function storeProblem(store: Pick<Store, 'problem'>, clock: Clock): () => Promise<string | null> {
  return atMost(PER_SECOND, clock, async () => {
    let stop = (): void => {}
    const silence = new Promise<string>((resolve) => {
      const timer = clock.after(LIMITS.readyProbeMs, () =>
        resolve(`the store has not committed anything for ${LIMITS.readyProbeMs / 1_000} s`),
      )
      stop = () => timer.cancel()
    })
    const problem = store.problem().catch((error: unknown) => `the store cannot commit: ${wordsOf(error)}`)
    return Promise.race([problem, silence]).finally(stop)
  })
}

/** The cause of the error, which the catalogue's words hide. */
function wordsOf(error: unknown): string {
  const { message } = error instanceof GatewayError && error.cause instanceof Error ? error.cause : (error as Error)
  return message
}
