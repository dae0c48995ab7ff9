import type { Endpoint } from '../domain/endpoint.ts'
import { matchesEventType } from '../domain/event-filter.ts'

/** Whether an endpoint wants an event: enabled, the type wanted, and a channel shared where the endpoint names some. */
export function wants(endpoint: Endpoint, event: { eventType: string; channels: readonly string[] | null }): boolean {
  if (endpoint.disabled || !matchesEventType(endpoint.eventTypes, event.eventType)) return false
  return (
    endpoint.channels === null || (event.channels?.some((channel) => endpoint.channels?.includes(channel)) ?? false)
  )
}

/** The endpoints that get the event, other than the Svix destination, which gets notifications only. What matches now is what is delivered, whatever is changed later. */
export const route = (
  endpoints: readonly Endpoint[],
  event: { eventType: string; channels: readonly string[] | null },
): Endpoint[] => endpoints.filter((endpoint) => endpoint.driver === 'http' && wants(endpoint, event))
