/** Telling the other nodes that something is due. It is a hint: what is due is found without it, a little later. */

export const DUE_CHANNEL = 'hookferry_due'

/**
 * A condition that is true and sends the notification when the transaction commits. The server lets transactions that
 * notify commit one after the other, so only those do that put something into the store for anybody to take.
 */
export const noteDue = (dueAt: string): string => `pg_notify('${DUE_CHANNEL}', ${dueAt}) IS NOT NULL`
