/** First answers to requests that may be repeated. */
import type { OrgId } from '../../domain/ids.ts'

/**
 * The first answer to a request that may be repeated under the same idempotency key. `key` is a digest of everything
 * that makes two requests the same.
 */
export interface Answer {
  orgId: OrgId
  key: string
  status: number
  /** The body as it was sent, or the facts from which it is made again; empty when there was none. */
  body: string
  /** Time of the request: an answer that expired by then counts as none. */
  at: number
  expiresAt: number
}

export interface Answers {
  /** The first answer; null when there is none or it expired before `now`. */
  getAnswer(orgId: OrgId, key: string, now: number): Promise<Pick<Answer, 'status' | 'body'> | null>
  /** Stores the answer to a request that writes nothing else. */
  saveAnswer(answer: Answer): Promise<'saved' | 'replayed'>
}
