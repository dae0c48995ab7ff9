import { projectedChars } from '../domain/projected.ts'
import type { Acceptance } from './port/accept.ts'

/** The calls that wait for the store at this node: writing calls, and the bytes of their messages. */
export interface WaitingWrites {
  writes: number
  bytes: number
}

/** Bytes that messages hold while they wait to be stored; the rows that belong to them are small. */
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
