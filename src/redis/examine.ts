import { fail, type Finding, fine } from '../domain/finding.ts'
import type { Clock } from '../lib/clock.ts'
import { close, connect, within } from './link.ts'

const TIMEOUT_MS = 3_000

/** Sends a Redis one command for which it has to answer, and nothing else. `name` holds no password. */
export async function examineRedis(url: string, name: string, clock: Clock): Promise<Finding> {
  const client = connect(url)
  let heard: string | null = null
  client.on('error', (error: Error) => (heard = error.message))
  try {
    await within(clock, TIMEOUT_MS, new Promise<void>((resolve) => client.once('ready', () => resolve())))
    const started = performance.now()
    await within(clock, TIMEOUT_MS, client.ping())
    return fine('redis', `${name} answered in ${(performance.now() - started).toFixed(1)} ms`)
  } catch (error) {
    return fail(
      'redis',
      `${name} does not answer: ${heard ?? (error as Error).message}`,
      'check REDIS_URL; without Redis nodes work, and look at the store more',
    )
  } finally {
    await close(client, clock)
  }
}
