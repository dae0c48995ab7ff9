/** Telling the other nodes that something is due, to be done, or was changed. All are hints: without them it is found a little later. */
import type { Session } from './database.ts'

export const DUE_CHANNEL = 'hookferry_due'

/**
 * A condition that is true and sends the notification when the transaction commits. The server lets transactions that
 * notify commit one after the other, so only those do that put something into the store for anybody to take.
 */
export const noteDue = (dueAt: string): string => `pg_notify('${DUE_CHANNEL}', ${dueAt}) IS NOT NULL`

export const CHANGED_CHANNEL = 'hookferry_changed'

/** The owner of an endpoint or a source changed it: with the commit, the other nodes hear that they had better forget it. */
export const noteChanged = (session: Session, { appId, id }: { appId: string; id: string }): Promise<number> =>
  session.run('SELECT pg_notify($1, $2)', CHANGED_CHANNEL, `${appId} ${id}`)

export const TASK_CHANNEL = 'hookferry_task'

/** There is a new task, for whichever node comes first. */
export const noteTask = (session: Session): Promise<number> => session.run('SELECT pg_notify($1, $2)', TASK_CHANNEL, '')

export const EXPUNGED_CHANNEL = 'hookferry_expunged'

/** A payload was taken away of which other nodes may have a copy in memory. */
export const noteExpunged = (session: Session, msgId: string): Promise<number> =>
  session.run('SELECT pg_notify($1, $2)', EXPUNGED_CHANNEL, msgId)
