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
import { stretchOf } from '../shared/keyset.ts'
import { labelsOf } from '../shared/labels.ts'
import { triedStatesOf } from '../shared/states.ts'
import type { Pool } from './database.ts'
import { inOrderOf, placed, type PlacedStretch, within } from './keyset.ts'
import { messageHas } from './labels.ts'
import { MESSAGE_COLUMNS, messageFrom, type MessageRow } from './messages.ts'
import { Parameters } from './parameters.ts'
import { arePresent, shownOf } from './payloads.ts'
import { textArray } from './values.ts'

export async function listMessages(
  pool: Pool,
  filter: MessageFilter,
  page: Keyset,
  withContent: boolean,
): Promise<(MessageInfo & Shown)[]> {
  if (filter.eventTypes?.length === 0) return []
  const parameters = new Parameters()
  const stretch = placed(stretchOf(page, filter), parameters)
  const appId = parameters.add(filter.appId)
  const rows = await pool.read<MessageRow>(
    `SELECT ${MESSAGE_COLUMNS} FROM (${messageIds(filter, stretch, parameters)}) p
     JOIN msg m ON m.app_id = ${appId} AND m.id = p.id ORDER BY p.id ${stretch.direction}`,
    ...parameters.values,
  )
  const contents = await contentsOf(pool, rows, withContent)
  return rows.map((row, i) => ({ ...messageFrom(row, contents[i]!.isRemoved), payload: contents[i]!.payload }))
}

/** The contents of the messages; where they are not asked for, only whether there is a payload. */
async function contentsOf(
  pool: Pool,
  rows: readonly MessageRow[],
  withContent: boolean,
): Promise<{ isRemoved: boolean; payload: Uint8Array | null }[]> {
  if (!withContent)
    return (await arePresent(pool.ask, rows)).map((isPresent) => ({ isRemoved: !isPresent, payload: null }))
  return (await shownOf(pool.ask, rows)).map((shown) => ({ isRemoved: shown === undefined, payload: shown ?? null }))
}

function messageIds(filter: MessageFilter, stretch: PlacedStretch, parameters: Parameters): string {
  const { eventTypes } = filter
  const appId = parameters.add(filter.appId)
  const [label, ...others] = labelsOf(filter)
  if (label !== undefined)
    return `SELECT l.msg_id AS id FROM msg_label l
      WHERE l.app_id = ${appId} AND l.label = ${parameters.add(label)} AND ${within('l.msg_id', stretch)}
        ${messageHas('l', others, eventTypes, parameters)} ${inOrderOf('l.msg_id', stretch)}`
  if (eventTypes === null)
    return `SELECT m.id FROM msg m WHERE m.app_id = ${appId} AND ${within('m.id', stretch)} ${inOrderOf('m.id', stretch)}`
  const given = parameters.add(textArray([...new Set(eventTypes)]), 'text[]')
  return `SELECT w.id FROM unnest(${given}) t (name) CROSS JOIN LATERAL (
      SELECT m.id FROM msg m
      WHERE m.app_id = ${appId} AND m.event_type = t.name AND ${within('m.id', stretch)} ${inOrderOf('m.id', stretch)}
    ) w ${inOrderOf('w.id', stretch)}`
}

type AttemptedFilter = MessageFilter & { endpointId: string; status: readonly DeliveryStatus[] | null }

type AttemptedRow = MessageRow & {
  state: DeliveryState
  attempts: number
  due_at: number | null
}

export async function listAttemptedMessages(
  pool: Pool,
  filter: AttemptedFilter,
  page: Keyset,
  withContent: boolean,
): Promise<(AttemptedMessage & Shown)[]> {
  if (filter.eventTypes?.length === 0) return []
  const parameters = new Parameters()
  const stretch = placed(stretchOf(page, filter), parameters)
  const [appId, endpointId] = [parameters.add(filter.appId), parameters.add(filter.endpointId)]
  const rows = await pool.read<AttemptedRow>(
    `SELECT ${MESSAGE_COLUMNS}, d.state, d.attempts, d.due_at FROM (${attemptedIds(filter, stretch, parameters)}) p
     JOIN msg m ON m.app_id = ${appId} AND m.id = p.id
     JOIN delivery d ON d.app_id = ${appId} AND d.msg_id = p.id AND d.endpoint_id = ${endpointId} AND d.run = 0
     ORDER BY p.id ${stretch.direction}`,
    ...parameters.values,
  )
  const contents = await contentsOf(pool, rows, withContent)
  return rows.map((row, i) => ({
    message: messageFrom(row, contents[i]!.isRemoved),
    status: statusOf(row),
    nextAttemptAt: row.state === 'pending' ? row.due_at : null,
    payload: contents[i]!.payload,
  }))
}

function attemptedIds(filter: AttemptedFilter, stretch: PlacedStretch, parameters: Parameters): string {
  const { eventTypes, status } = filter
  const states = triedStatesOf(status)
  const [appId, endpointId] = [parameters.add(filter.appId), parameters.add(filter.endpointId)]
  const given = parameters.add(textArray(states), 'text[]')
  const [label, ...others] = labelsOf(filter)
  if (label !== undefined)
    return `SELECT l.msg_id AS id FROM msg_label l
      WHERE l.app_id = ${appId} AND l.label = ${parameters.add(label)} AND ${within('l.msg_id', stretch)}
        AND (SELECT d.attempts > 0 AND d.state = ANY (${given}) FROM delivery d
          WHERE d.app_id = l.app_id AND d.msg_id = l.msg_id AND d.endpoint_id = ${endpointId} AND d.run = 0)
        ${messageHas('l', others, eventTypes, parameters)} ${inOrderOf('l.msg_id', stretch)}`
  return `SELECT w.id FROM unnest(${given}) s (name) CROSS JOIN LATERAL (
      SELECT d.msg_id AS id FROM delivery d
      WHERE d.app_id = ${appId} AND d.endpoint_id = ${endpointId} AND d.state = s.name AND d.run = 0 AND d.attempts > 0
        AND ${within('d.msg_id', stretch)} ${messageHas('d', [], eventTypes, parameters)} ${inOrderOf('d.msg_id', stretch)}
    ) w ${inOrderOf('w.id', stretch)}`
}
