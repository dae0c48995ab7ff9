/** Cursors of lists: opaque to clients, and checked when they come back. */
import { z } from 'zod'
import { type AttemptId, isId } from '../domain/ids.ts'
import type { DeliveryPlace } from '../store/port/history.ts'
import { urlText } from './bounded.ts'
import { onWire } from './described.ts'

/** The words in answers and descriptions of lists that say how to get the rest. */
export const NextCursor = z
  .string()
  .nullable()
  .describe('Send it as `cursor`, with the same filters, for the next page; null on the last one')

const toCursor = (place: string): string => Buffer.from(place).toString('base64url')

const cursorOf = <T>(read: (place: string) => T | null) =>
  onWire(
    urlText().transform((given, ctx) => {
      const place = read(Buffer.from(given, 'base64url').toString())
      if (place !== null) return place
      ctx.addIssue('is not a next_cursor of this list')
      return z.NEVER
    }),
    { type: 'string' },
  )
    .optional()
    .describe('The `next_cursor` of the page before')

export const toDeliveryCursor = ({ msgId, endpointId }: DeliveryPlace): string => toCursor(`${msgId} ${endpointId}`)

export const deliveryCursor = cursorOf((place): DeliveryPlace | null => {
  const [msgId = '', endpointId, ...more] = place.split(' ')
  if (endpointId === undefined || more.length > 0 || !isId('msg', msgId)) return null
  return endpointId === '' || isId('ep', endpointId) ? { msgId, endpointId } : null
})

export const toAttemptCursor = (id: AttemptId): string => toCursor(id)

export const attemptCursor = cursorOf((place) => (isId('atmpt', place) ? place : null))
