/** What the inbox has to answer, worked out from a plain list of messages. */
import type { InboxMessage, InboxStats } from './inbox-gateway.ts'

/** In units of 10⁻³² seconds, so that every fraction counts. */
export function instantOf(ts: string): bigint {
  const [at = '', fraction = ''] = ts.replace('Z', '').split('.')
  return (BigInt(Date.parse(`${at}Z`)) / 1_000n) * 10n ** 32n + BigInt(fraction.padEnd(32, '0'))
}

const compare = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)

/** By instant, then by the code points of the id. */
export const inOrder = (messages: readonly InboxMessage[]): InboxMessage[] =>
  messages
    .map((message) => ({ message, at: instantOf(message.ts), id: Buffer.from(message.message_id) }))
    .sort((a, b) => compare(a.at, b.at) || Buffer.compare(a.id, b.id))
    .map(({ message }) => message)

/** The matching messages in order. Of case it knows what `toLowerCase` knows. */
export function matching(
  messages: readonly InboxMessage[],
  { from, since, q }: { from?: string; since?: string; q?: string },
): InboxMessage[] {
  return inOrder(messages).filter(
    (message) =>
      (from === undefined || message.from === from) &&
      (since === undefined || instantOf(message.ts) >= instantOf(since)) &&
      (q === undefined || q === '' || message.text?.toLowerCase().includes(q.toLowerCase())),
  )
}

export function countOf(messages: readonly InboxMessage[]): InboxStats {
  const counts = new Map<string, number>()
  for (const { from } of messages) counts.set(from, (counts.get(from) ?? 0) + 1)
  const senders = Array.from(counts, ([from, count]) => ({ from, count }))
  const byTime = inOrder(messages)
  return {
    total_messages: messages.length,
    senders_count: senders.length,
    messages_per_sender: senders.sort((a, b) => b.count - a.count || (a.from < b.from ? -1 : 1)).slice(0, 10),
    first_message_ts: byTime.at(0)?.ts ?? null,
    last_message_ts: byTime.at(-1)?.ts ?? null,
  }
}
