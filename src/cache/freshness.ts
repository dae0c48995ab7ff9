import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Freshness } from './loading-cache.ts'
import type { ChangeChannel } from './shared-endpoints.ts'

/**
 * Bounds the use of cached data when other nodes write, too. Entries are used for a second. An entry that was loaded
 * since the channel has told of every change is used for longer, but not for ever: the node that makes a change may be
 * cut off from the channel.
 */
export const amongOthers = (clock: Clock, channel: ChangeChannel | null): Freshness => ({
  now: () => clock.now(),
  isFresh(loadedAt) {
    const now = clock.now()
    const ageMs = now - loadedAt
    // Negative when the clock was set back: the age is unknown.
    if (ageMs < 0) return false
    if (ageMs <= LIMITS.cacheAgeAloneMs) return true
    if (ageMs > LIMITS.cacheAgeWatchedMs) return false
    const completeSince = channel?.completeSince(now) ?? Infinity
    return loadedAt >= completeSince
  },
})
