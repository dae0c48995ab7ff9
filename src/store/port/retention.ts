/**
 * The result of a step over payloads: how many it handled (zero: nothing is left to do), and how many of these were
 * removed.
 */
export interface PayloadStep {
  dealt: number
  removed: number
}

export interface Retention {
  /**
   * Removes one small step of attempts made before `before`. Returns how many, which is an estimate where the step
   * drops a whole partition. A step looks at a bounded number of endpoints, and the next one goes on from there. Zero
   * means that this step found none; repeated steps come round to all.
   */
  pruneAttempts(before: number, max: number): Promise<number>
  /**
   * Removes payloads that expired before `now` and whose deliveries are all final. Idempotency records and answers
   * likewise.
   */
  prunePayloads(now: number, max: number): Promise<PayloadStep>
  pruneIdempotency(now: number, max: number): Promise<number>
}
