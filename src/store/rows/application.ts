import type { Application } from '../../domain/application.ts'
import { json, plain, rowOf } from './row-of.ts'

export const applicationRow = rowOf<Application>({
  orgId: plain('org_id'),
  id: plain('id'),
  uid: plain('uid'),
  name: plain('name'),
  throttleRate: plain('throttle_rate'),
  metadata: json('metadata'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
})

export const applicationInsert = applicationRow.part(applicationRow.members)

/** The columns that an update replaces. */
export const applicationSettings = applicationRow.part(
  applicationRow.members.filter((member) => !['orgId', 'id', 'createdAt'].includes(member)),
)
