/**
 * Operational webhooks: events of the gateway itself. They are ordinary messages of an application in the management
 * organization. The uid of that application is the id of the organization that the events are about. So endpoints,
 * signatures, retries and the log are those of all messages.
 */
import type { Application } from './application.ts'
import type { OrgId } from './ids.ts'

export const MANAGEMENT_ORG = 'org_00000000000SvixManagement00' satisfies OrgId

/** The event types that the management organization has from the start, with their descriptions. */
export const OPERATIONAL_EVENTS = {
  'endpoint.created': 'An endpoint was created.',
  'endpoint.updated': 'An endpoint was changed, or its secret rotated.',
  'endpoint.deleted': 'An endpoint was deleted.',
  'endpoint.disabled': 'An endpoint was disabled, because it failed for too long or answered 410 Gone.',
  'message.attempt.failing': 'A message has failed four times at an endpoint.',
  'message.attempt.exhausted': 'A message has failed at an endpoint for the last time.',
  'message.attempt.recovered': 'A message got through to an endpoint after four failures or more.',
} as const

export type OperationalEventType = keyof typeof OPERATIONAL_EVENTS

/** The attempt, counted from 1, whose failure is announced as `message.attempt.failing`. */
export const FAILING_ATTEMPT = 4

export interface OperationalEvent {
  type: OperationalEventType
  data: Record<string, unknown>
}

export const endpointEvent = (
  type: Extract<OperationalEventType, `endpoint.${string}`>,
  application: Application,
  endpoint: { id: string; uid: string | null },
  more: Record<string, unknown> = {},
): OperationalEvent => ({
  type,
  data: {
    appId: application.id,
    appUid: application.uid,
    endpointId: endpoint.id,
    endpointUid: endpoint.uid,
    ...more,
  },
})

/**
 * The event that announces a finished attempt; `attempt` is its number in the schedule. Null when nothing is announced.
 */
export function attemptEventType(given: {
  succeeded: boolean
  isLast: boolean
  attempt: number
}): Extract<OperationalEventType, `message.${string}`>[] {
  if (given.succeeded) return given.attempt > FAILING_ATTEMPT ? ['message.attempt.recovered'] : []
  const events: Extract<OperationalEventType, `message.${string}`>[] = []
  if (given.attempt === FAILING_ATTEMPT) events.push('message.attempt.failing')
  if (given.isLast) events.push('message.attempt.exhausted')
  return events
}
