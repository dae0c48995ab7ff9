/** The rows that a batch of acceptances becomes, one function a table. */
import { foldCase, timestampKey } from '../../domain/inbox.ts'
import type { Message } from '../../domain/message.ts'
import { toStored } from '../audience.ts'
import type { Acceptance } from '../port/accept.ts'
import type { Answer } from '../port/answers.ts'
import { labelsOfMessage } from '../shared/labels.ts'
import type { Waiting } from './lanes.ts'
import { concatenated } from './values.ts'

/** Keys are inserted in this order, so that two batches with several keys in common do not wait for each other. */
const byText =
  <T>(textOf: (one: T) => string) =>
  (a: T, b: T): number => {
    const [left, right] = [textOf(a), textOf(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }

/** The position of a payload in the bytes of all payloads, counted from 1. */
interface Slice {
  start: number
  length: number
}

export interface MessageRow {
  message: Message
  named: 0 | 1
  payload: Slice
  /** Null when the shown payload is the delivered one. */
  shown: Slice | null
}

/** The rows of the messages, and all of their payloads as one value. */
export function messageRows(news: readonly Acceptance[]): { rows: MessageRow[]; bytes: Buffer } {
  const messages = news.map(({ message }) => message).sort(byText((one) => `${one.appId}\0${one.eventId ?? ''}`))
  const shown = messages.flatMap((one) => (one.shownPayload === null ? [] : [one.shownPayload]))
  const { bytes, starts, lengths } = concatenated([...messages.map(({ payload }) => payload), ...shown])
  const slice = (i: number): Slice => ({ start: starts[i]!, length: lengths[i]! })
  // Shown payloads lie behind the delivered ones.
  let next = messages.length
  const rows = messages.map((message, i) => ({
    message,
    named: toStored(message.audience),
    payload: slice(i),
    shown: message.shownPayload === null ? null : slice(next++),
  }))
  return { rows, bytes }
}

/** The labels by which messages are found. */
export const labelRows = (news: readonly Acceptance[]) =>
  news.flatMap(({ message }) =>
    labelsOfMessage(message).map((label) => ({ appId: message.appId, label, id: message.id })),
  )

export const deliveryRows = (news: readonly Acceptance[]) =>
  news.flatMap(({ message: { appId, id }, deliveries }) =>
    deliveries.map(({ endpointId, lease, dueAt }) => ({
      appId,
      id,
      endpointId,
      dueAt: lease === null ? dueAt : lease.until,
      owner: lease?.owner ?? null,
    })),
  )

export const keyRows = (news: readonly Acceptance[]) =>
  news
    .flatMap(({ message, deliveries, idempotency }) =>
      idempotency === null ? [] : [{ message, count: deliveries.length, ...idempotency }],
    )
    .sort(byText((row) => `${row.message.appId}\0${row.scope}\0${row.key}`))

export const inboxRows = (news: readonly Acceptance[]) =>
  news
    .flatMap(({ message, projected }) =>
      projected?.into === 'inbox'
        ? [{ ...projected.row, tsKey: timestampKey(projected.row.ts), announcedBy: message.id }]
        : [],
    )
    .sort(byText((row) => row.messageId))

/** Most texts are kept once: a folded text is stored only if folding changed it. */
export function foldedOf({ text }: { text: string | null }): string | null {
  const folded = text === null ? null : foldCase(text)
  return folded === text ? null : folded
}

export const answerRows = (news: readonly Acceptance[]): Answer[] =>
  news.flatMap(({ answer }) => (answer === null ? [] : [answer])).sort(byText((row) => `${row.orgId}\0${row.key}`))

/** The lanes of the deliveries that become pending, each lane once. */
export function lanesOf(news: readonly Acceptance[]): Waiting[] {
  const lanes = new Map<string, Waiting>()
  for (const { message, deliveries } of news)
    for (const { endpointId, lease, dueAt } of deliveries) {
      if (lease !== null) continue
      const key = `${message.appId} ${endpointId}`
      const lane = lanes.get(key)
      if (lane === undefined) lanes.set(key, { appId: message.appId, endpointId, retry: 0, dueAt, size: 1 })
      else {
        lane.size++
        lane.dueAt = Math.min(lane.dueAt, dueAt)
      }
    }
  return [...lanes.values()]
}
