/**
 * Gives retries one attempt in eight when retries and first attempts both wait, so that a flood of first attempts
 * cannot postpone retries for ever. The share holds for a node's claims, for its starts, and within each lane.
 */
export const RETRY_SHARE = 8

/**
 * The retries' part of `size` in this turn. When there is too little to divide, retries get all of it in every eighth
 * turn.
 */
export const retryShare = (size: number, turn: number): number =>
  Math.floor(((turn + 1) * size) / RETRY_SHARE) - Math.floor((turn * size) / RETRY_SHARE)
