/**
 * One attempt in eight is a retry where retries and first attempts both wait, so that a flood of first attempts cannot
 * postpone retries for ever. It holds for what a node claims, for what starts, and within each lane.
 */
export const RETRY_SHARE = 8

/** The retries' part of `size` in this turn. Where there is too little to share out, it is theirs in every eighth turn. */
export const retryShare = (size: number, turn: number): number =>
  Math.floor(((turn + 1) * size) / RETRY_SHARE) - Math.floor((turn * size) / RETRY_SHARE)
