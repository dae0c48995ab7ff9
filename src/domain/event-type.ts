import type { OrgId } from './ids.ts'

/** A name that endpoints filter on, and an organization's description of it. Messages may use undeclared ones. */
export interface EventType {
  orgId: OrgId
  name: string
  description: string
  /** JSON text of an object, version → JSON Schema; null when none was given. */
  schemas: string | null
  archived: boolean
  deprecated: boolean
  featureFlags: string[]
  groupName: string | null
  createdAt: number
  updatedAt: number
}
