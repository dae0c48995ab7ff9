import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Freshness } from './loading-cache.ts'
import type { ChangeChannel } from './shared-endpoints.ts'

/**
 * How long a node trusts its memory when others write, too: a second; or for longer, if it was loaded since a channel
 * tells of every change. Not for ever even then, for the node that changes something may be cut off from the channel.
 */
export const amongOthers = (clock: Clock, channel: ChangeChannel | null): Freshness => ({
  now: () => clock.now(),
  isFresh(loadedAt) {
    const now = clock.now()
    const ageMs = now - loadedAt
    // Negative when the clock was set back: nobody knows how old it is.
    if (ageMs < 0) return false
    if (ageMs <= LIMITS.cacheAgeAloneMs) return true
    if (ageMs > LIMITS.cacheAgeWatchedMs) return false
    const completeSince = channel?.completeSince(now) ?? Infinity
    return loadedAt >= completeSince
  },
})
