import type { InboxMessage } from './inbox.ts'

/**
 * A row that an event brings along for a table of its own, which is more than a record of the event. `into` names the table. Its
 * key is known for ever: an event whose row is there already is a repeat.
 */
export interface Projected {
  into: 'inbox'
  row: InboxMessage
}

/** Characters of its texts that are not short by rule. */
export const projectedChars = ({ row }: Projected): number => row.text?.length ?? 0

/** What makes a repeat of the row the same. */
export const projectedKey = ({ row }: Projected): string => row.messageId
