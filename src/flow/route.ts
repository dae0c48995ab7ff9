import { type Audience, type Candidate, wants } from '../domain/endpoint.ts'

/**
 * The endpoints that get the event, other than the Svix destination, which gets notifications only. What matches now is what
 * is delivered, whatever is changed later.
 */
export const route = (
  endpoints: readonly Candidate[],
  event: { eventType: string; channels: readonly string[] | null },
  audience: Audience = 'all',
): Candidate[] =>
  endpoints.filter(
    (endpoint) => endpoint.driver === 'http' && (audience === 'all' || namesTypes(endpoint)) && wants(endpoint, event),
  )

const namesTypes = ({ eventTypes }: Candidate): boolean => eventTypes !== null && eventTypes.length > 0
