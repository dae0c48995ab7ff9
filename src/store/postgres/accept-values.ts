/** What a batch of acceptances is as columns, one array for each, in the order of the statement in `accept.ts`. */
import { foldCase, timestampKey } from '../../domain/inbox.ts'
import { toStored } from '../audience.ts'
import type { Message } from '../../domain/message.ts'
import type { Acceptance } from '../port/accept.ts'
import { labelsOfMessage } from '../shared/labels.ts'
import type { Waiting } from './lanes.ts'
import { concatenated, numberArray, textArray } from './values.ts'

/** Keys are inserted in this order, so that two batches with several in common do not wait for each other. */
const byText =
  <T>(textOf: (one: T) => string) =>
  (a: T, b: T): number => {
    const [left, right] = [textOf(a), textOf(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }

export const messagesOf = (news: readonly Acceptance[]): Message[] =>
  news.map(({ message }) => message).sort(byText((one) => `${one.appId}\0${one.eventId ?? ''}`))

export function messageValues(messages: readonly Message[]) {
  const shown = messages.flatMap((one) => (one.shownPayload === null ? [] : [one.shownPayload]))
  const { bytes, starts, lengths } = concatenated([...messages.map(({ payload }) => payload), ...shown])
  // What is shown instead of payloads lies behind them.
  let next = messages.length
  const shownAt = messages.map((one) => (one.shownPayload === null ? null : next++))
  return [
    textArray(messages.map((one) => one.appId)),
    textArray(messages.map((one) => one.id)),
    textArray(messages.map((one) => one.eventId)),
    textArray(messages.map((one) => one.eventType)),
    textArray(messages.map((one) => one.channels && JSON.stringify(one.channels))),
    textArray(messages.map((one) => one.tags && JSON.stringify(one.tags))),
    textArray(messages.map((one) => one.contentType)),
    numberArray(messages.map((one) => one.receivedAt)),
    numberArray(messages.map((one) => one.expiresAt)),
    numberArray(lengths.slice(0, messages.length)),
    numberArray(starts.slice(0, messages.length)),
    numberArray(shownAt.map((at) => (at === null ? null : lengths[at]!))),
    numberArray(shownAt.map((at) => (at === null ? null : starts[at]!))),
    bytes,
  ]
}

export const hopsOf = (messages: readonly Message[]) => numberArray(messages.map((one) => one.hops))

export const deliverAtOf = (messages: readonly Message[]) => numberArray(messages.map((one) => one.deliverAt))

export const namedOf = (messages: readonly Message[]) => numberArray(messages.map((one) => toStored(one.audience)))

/** The words that messages are found by. */
export function labelValues(news: readonly Acceptance[]) {
  const rows = news.flatMap(({ message }) =>
    labelsOfMessage(message).map((label) => ({ appId: message.appId, label, id: message.id })),
  )
  return [
    textArray(rows.map((row) => row.appId)),
    textArray(rows.map((row) => row.label)),
    textArray(rows.map((row) => row.id)),
  ]
}

export function deliveryValues(news: readonly Acceptance[]) {
  const rows = news.flatMap(({ message: { appId, id }, deliveries }) =>
    deliveries.map(({ endpointId, lease, dueAt }) => ({
      appId,
      id,
      endpointId,
      dueAt: lease === null ? dueAt : lease.until,
      owner: lease?.owner ?? null,
    })),
  )
  return [
    textArray(rows.map((row) => row.appId)),
    textArray(rows.map((row) => row.id)),
    textArray(rows.map((row) => row.endpointId)),
    numberArray(rows.map((row) => row.dueAt)),
    textArray(rows.map((row) => row.owner)),
  ]
}

export function keyValues(news: readonly Acceptance[]) {
  const rows = news
    .flatMap(({ message, deliveries, idempotency }) =>
      idempotency === null ? [] : [{ message, count: deliveries.length, ...idempotency }],
    )
    .sort(byText((row) => `${row.message.appId}\0${row.scope}\0${row.key}`))
  return [
    textArray(rows.map((row) => row.message.appId)),
    textArray(rows.map((row) => row.scope)),
    textArray(rows.map((row) => row.key)),
    textArray(rows.map((row) => row.message.id)),
    numberArray(rows.map((row) => row.count)),
    numberArray(rows.map((row) => row.expiresAt)),
  ]
}

export function inboxValues(news: readonly Acceptance[]) {
  const rows = news
    .flatMap(({ message, inbox }) => (inbox === null ? [] : [{ ...inbox, announcedBy: message.id }]))
    .sort(byText((row) => row.messageId))
  return [
    textArray(rows.map((row) => row.messageId)),
    textArray(rows.map((row) => row.from)),
    textArray(rows.map((row) => row.to)),
    textArray(rows.map((row) => row.ts)),
    textArray(rows.map((row) => row.text)),
    textArray(rows.map((row) => new Date(row.createdAt).toISOString())),
    textArray(rows.map((row) => timestampKey(row.ts))),
    // Most texts are kept once: only what folding changed is stored beside them.
    textArray(rows.map(({ text }) => (text === null || foldCase(text) === text ? null : foldCase(text)))),
    textArray(rows.map((row) => row.announcedBy)),
  ]
}

/** What becomes pending, each lane once. */
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

export function answerValues(news: readonly Acceptance[]) {
  const rows = news
    .flatMap(({ answer }) => (answer === null ? [] : [answer]))
    .sort(byText((row) => `${row.orgId}\0${row.key}`))
  return [
    textArray(rows.map((row) => row.orgId)),
    textArray(rows.map((row) => row.key)),
    numberArray(rows.map((row) => row.status)),
    textArray(rows.map((row) => row.body)),
    numberArray(rows.map((row) => row.expiresAt)),
  ]
}
