import type { AppId, OrgId } from './ids.ts'

/** A consumer of events: owns endpoints and messages. `uid` is the caller's own name for it. */
export interface Application {
  orgId: OrgId
  id: AppId
  uid: string | null
  name: string
  /** Messages per second over all endpoints of the application; null is unlimited. */
  throttleRate: number | null
  metadata: Record<string, string>
  createdAt: number
  updatedAt: number
}

/** The organization and application of the plain routes; migrations create both. */
export const DEFAULT_ORG = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu' satisfies OrgId
export const DEFAULT_APP = 'app_00000000000000000000default' satisfies AppId
export const DEFAULT_APP_UID = 'default'
