import type { StoredSource } from '../source-codec.ts'
import { flag, json, plain, rowOf } from './row-of.ts'

/** A source with its secret parts in stored form. */
export const sourceRow = rowOf<StoredSource>({
  appId: plain('app_id'),
  id: plain('id'),
  name: plain('name'),
  provider: plain('provider'),
  enabled: flag('enabled'),
  settings: json('settings'),
  secrets: plain('secrets'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
})

export const sourceInsert = sourceRow.part(sourceRow.members)

/** The columns that an update replaces. */
export const sourceContents = sourceRow.part(['name', 'enabled', 'settings', 'secrets', 'updatedAt'])
