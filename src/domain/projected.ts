import type { InboxMessage } from './inbox.ts'

/**
 * A row that an event adds to a table of its own, and that is more than a record of the event. `into` names the table.
 * Its key is kept for ever: an event whose row exists already is a repeat.
 */
export interface Projected {
  into: 'inbox'
  row: InboxMessage
}

/** Number of characters in the row's texts that have no short bound. */
export const projectedChars = ({ row }: Projected): number => row.text?.length ?? 0

/** The key by which a repeat of the row is recognised. */
export const projectedKey = ({ row }: Projected): string => row.messageId
