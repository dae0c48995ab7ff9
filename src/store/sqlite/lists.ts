/**
 * Lists of messages. The ids of a page are found first, in an index that has them in order; then their rows are read by
 * key.
 *
 * No read here gets slower because a table grew, with one exception. For several conditions at once, the index of one
 * condition is walked, and the others are checked at each step. When few messages meet all of them, that walk is as
 * long as the stretch between `from` and `until`.
 */
import type { DeliveryState } from '../../domain/delivery.ts'
import type { MessageInfo } from '../../domain/message.ts'
import { type AttemptedMessage, type DeliveryStatus, statusOf } from '../port/history.ts'
import type { MessageFilter, Shown } from '../port/messages.ts'
import type { Keyset } from '../port/page.ts'
import { stretchOf, type Stretch } from '../shared/keyset.ts'
import { labelsOf } from '../shared/labels.ts'
import { triedStatesOf } from '../shared/states.ts'
import type { Row } from '../shared/value.ts'
import type { Database } from './database.ts'
import { merge } from './merge.ts'
import { messageHas } from './labels.ts'
import { MESSAGE_COLUMNS, messageFrom } from './messages.ts'

/**
 * The columns, from `msg m`. The content is included only where it is asked for, since it has to be copied between the
 * threads.
 */
const columns = (withContent: boolean): string =>
  `${MESSAGE_COLUMNS}, ${withContent ? 'coalesce(m.shown, m.payload)' : 'NULL'} AS shown`

type ShownRow = Row & { shown: Uint8Array | null }

export function listMessages(
  db: Database,
  filter: MessageFilter,
  page: Keyset,
  withContent: boolean,
): (MessageInfo & Shown)[] {
  if (filter.eventTypes?.length === 0) return []
  const stretch = stretchOf(page, filter)
  return db.snapshot(() =>
    messageIds(db, filter, stretch).map((id) => {
      const row = db.get<ShownRow>(
        `SELECT ${columns(withContent)} FROM msg m WHERE m.app_id = ? AND m.id = ?`,
        filter.appId,
        id,
      )!
      return { ...messageFrom(row), payload: row.shown }
    }),
  )
}

function messageIds(db: Database, filter: MessageFilter, stretch: Stretch): string[] {
  const { appId, eventTypes } = filter
  const bounds = [stretch.above, stretch.below] as const
  const order = `${stretch.direction} LIMIT ?`
  const [label, ...others] = labelsOf(filter)
  if (label !== undefined) {
    const has = messageHas('l', others, eventTypes)
    const found = db.all<{ id: string }>(
      `SELECT l.msg_id AS id FROM msg_label l
       WHERE l.app_id = ? AND l.label = ? AND l.msg_id > ? AND l.msg_id < ? ${has.sql} ORDER BY l.msg_id ${order}`,
      appId,
      label,
      ...bounds,
      ...has.values,
      stretch.limit,
    )
    return found.map(({ id }) => id)
  }
  if (eventTypes === null)
    return db
      .all<{ id: string }>(
        `SELECT id FROM msg WHERE app_id = ? AND id > ? AND id < ? ORDER BY id ${order}`,
        appId,
        ...bounds,
        stretch.limit,
      )
      .map(({ id }) => id)
  const parts = [...new Set(eventTypes)].map((eventType) =>
    db.all<{ id: string }>(
      `SELECT id FROM msg WHERE app_id = ? AND event_type = ? AND id > ? AND id < ? ORDER BY id ${order}`,
      appId,
      eventType,
      ...bounds,
      stretch.limit,
    ),
  )
  return merge(parts, stretch)
}

type AttemptedFilter = MessageFilter & { endpointId: string; status: readonly DeliveryStatus[] | null }

type AttemptedRow = ShownRow & {
  state: DeliveryState
  attempts: number
  due_at: number | null
}

export function listAttemptedMessages(
  db: Database,
  filter: AttemptedFilter,
  page: Keyset,
  withContent: boolean,
): (AttemptedMessage & Shown)[] {
  if (filter.eventTypes?.length === 0) return []
  const stretch = stretchOf(page, filter)
  return db.snapshot(() =>
    attemptedIds(db, filter, stretch).map((id) => {
      const row = db.get<AttemptedRow>(
        `SELECT ${columns(withContent)}, d.state, d.attempts, d.due_at FROM msg m
         JOIN delivery d ON d.app_id = m.app_id AND d.msg_id = m.id AND d.endpoint_id = ? AND d.run = 0
         WHERE m.app_id = ? AND m.id = ?`,
        filter.endpointId,
        filter.appId,
        id,
      )!
      const nextAttemptAt = row.state === 'pending' ? row.due_at : null
      return { message: messageFrom(row), status: statusOf(row), nextAttemptAt, payload: row.shown }
    }),
  )
}

function attemptedIds(db: Database, filter: AttemptedFilter, stretch: Stretch): string[] {
  const { appId, endpointId, eventTypes, status } = filter
  const states = triedStatesOf(status)
  const bounds = [stretch.above, stretch.below] as const
  const [label, ...others] = labelsOf(filter)
  if (label !== undefined) {
    const has = messageHas('l', others, eventTypes)
    const found = db.all<{ id: string }>(
      `SELECT l.msg_id AS id FROM msg_label l
       CROSS JOIN delivery d ON d.app_id = l.app_id AND d.msg_id = l.msg_id AND d.endpoint_id = ? AND d.run = 0
       WHERE l.app_id = ? AND l.label = ? AND l.msg_id > ? AND l.msg_id < ? AND d.attempts > 0
         AND d.state IN (SELECT value FROM json_each(?)) ${has.sql}
       ORDER BY l.msg_id ${stretch.direction} LIMIT ?`,
      endpointId,
      appId,
      label,
      ...bounds,
      JSON.stringify(states),
      ...has.values,
      stretch.limit,
    )
    return found.map(({ id }) => id)
  }
  const has = messageHas('d', [], eventTypes)
  const parts = states.map((state) =>
    db.all<{ id: string }>(
      `SELECT d.msg_id AS id FROM delivery d INDEXED BY delivery_tried
       WHERE d.app_id = ? AND d.endpoint_id = ? AND d.state = ? AND d.run = 0 AND d.attempts > 0
         AND d.msg_id > ? AND d.msg_id < ? ${has.sql}
       ORDER BY d.msg_id ${stretch.direction} LIMIT ?`,
      appId,
      endpointId,
      state,
      ...bounds,
      ...has.values,
      stretch.limit,
    ),
  )
  return merge(parts, stretch)
}
