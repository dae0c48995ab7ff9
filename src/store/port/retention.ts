export interface Retention {
  /**
   * Removes one small step of attempts made before `before`; returns how many. A step looks at so many endpoints at most
   * and the next one goes on from there: zero means that this one found none, and repeated steps come round to all.
   */
  pruneAttempts(before: number, max: number): Promise<number>
  /** Removes payloads that expired before `now` and whose deliveries are all final; likewise idempotency records and answers. */
  prunePayloads(now: number, max: number): Promise<number>
  pruneIdempotency(now: number, max: number): Promise<number>
}
