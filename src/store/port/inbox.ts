import type { InboxMessage, InboxQuery, InboxStats } from '../../domain/inbox.ts'

export interface Inbox {
  /** Messages in the order of their instants, then of their ids; `total` counts all that match. */
  listInbox(query: InboxQuery): Promise<{ data: InboxMessage[]; total: number }>
  inboxStats(): Promise<InboxStats>
}
