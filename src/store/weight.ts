import { projectedChars } from '../domain/projected.ts'
import type { Acceptance } from './port/accept.ts'

/** What waits for the store at this node: calls that write, and the bytes that their messages hold. */
export interface WaitingWrites {
  writes: number
  bytes: number
}

/** Bytes that messages hold while they wait to be stored; what else belongs to them is small. */
export function bytesOf(acceptances: readonly Acceptance[]): number {
  let bytes = 0
  for (const { message, projected, answer } of acceptances)
    bytes +=
      message.payload.byteLength +
      (message.shownPayload?.byteLength ?? 0) +
      (projected === undefined ? 0 : projectedChars(projected)) +
      (answer?.body.length ?? 0)
  return bytes
}
