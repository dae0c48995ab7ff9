/** Tables with rows that events bring: how a row is inserted, and which event brought an existing one. */
import type { Message } from '../../domain/message.ts'
import type { Projected } from '../../domain/projected.ts'
import type { Database } from './database.ts'
import { inboxAnnouncedBy, insertInbox } from './inbox.ts'

/** The event that brought a row, and the number of its deliveries. */
export interface Known {
  msg_id: string
  deliveries: number
}

interface Projection<R> {
  /** Returns false when there is a row with this key already; nothing is changed then. */
  insert: (db: Database, row: R, message: Message) => boolean
  known: (db: Database, row: R, message: Message) => Known | null
}

const PROJECTIONS: { [T in Projected['into']]: Projection<Extract<Projected, { into: T }>['row']> } = {
  inbox: { insert: insertInbox, known: inboxAnnouncedBy },
}

/** Inserts the row. Returns the event that brought it before, if there is one. */
export function project(db: Database, { into, row }: Projected, message: Message): Known | null {
  const { insert, known } = PROJECTIONS[into]
  return insert(db, row, message) ? null : known(db, row, message)
}
