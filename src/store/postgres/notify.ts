/**
 * Notifies the other nodes that a delivery is due, that there is a task, or that something was changed. All
 * notifications are hints: without them, the other nodes find the news a little later.
 */
import type { Session } from './database.ts'

export const DUE_CHANNEL = 'hookferry_due'

/**
 * A condition that is true and sends the notification when the transaction commits. The server lets transactions that
 * notify commit one after the other. So only those notify that put a delivery into the store for any node to take.
 */
export const noteDue = (dueAt: string): string => `pg_notify('${DUE_CHANNEL}', ${dueAt}) IS NOT NULL`

export const CHANGED_CHANNEL = 'hookferry_changed'

/** Notifies the other nodes, on commit, to drop an endpoint or a source that its owner changed from their caches. */
export const noteChanged = (session: Session, { appId, id }: { appId: string; id: string }): Promise<number> =>
  session.run('SELECT pg_notify($1, $2)', CHANGED_CHANNEL, `${appId} ${id}`)

export const TASK_CHANNEL = 'hookferry_task'

/** Notifies the other nodes of a new task, which any node may do. */
export const noteTask = (session: Session): Promise<number> => session.run('SELECT pg_notify($1, $2)', TASK_CHANNEL, '')

export const EXPUNGED_CHANNEL = 'hookferry_expunged'

/** Notifies the other nodes that a payload was removed of which they may have a copy in memory. */
export const noteExpunged = (session: Session, msgId: string): Promise<number> =>
  session.run('SELECT pg_notify($1, $2)', EXPUNGED_CHANNEL, msgId)
