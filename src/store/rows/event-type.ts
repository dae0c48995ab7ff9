import type { EventType } from '../../domain/event-type.ts'
import { flag, json, plain, rowOf } from './row-of.ts'

export const eventTypeRow = rowOf<EventType>({
  orgId: plain('org_id'),
  name: plain('name'),
  description: plain('description'),
  schemas: plain('schemas'),
  archived: flag('archived'),
  deprecated: flag('deprecated'),
  featureFlags: json('feature_flags'),
  groupName: plain('group_name'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
})

export const eventTypeInsert = eventTypeRow.part(eventTypeRow.members)

/** The columns that an update replaces. */
export const eventTypeContents = eventTypeRow.part(
  eventTypeRow.members.filter((member) => !['orgId', 'name', 'createdAt'].includes(member)),
)
