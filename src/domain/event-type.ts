import type { OrgId } from './ids.ts'

/** A name that endpoints filter on, with what an organization says about it. Messages may use undeclared ones. */
export interface EventType {
  orgId: OrgId
  name: string
  description: string
  /** Version → JSON Schema; null when none was given. */
  schemas: Record<string, unknown> | null
  archived: boolean
  deprecated: boolean
  featureFlags: string[]
  groupName: string | null
  createdAt: number
  updatedAt: number
}
