import { type Audience, type Candidate, wants } from '../domain/endpoint.ts'

/**
 * The endpoints that get the event, other than the Svix destination, which gets notifications only. What matches now is what
 * is delivered, whatever is changed later.
 */
export const route = (
  endpoints: readonly Candidate[],
  event: { eventType: string; channels: readonly string[] | null; audience: Audience },
): Candidate[] => endpoints.filter((endpoint) => !endpoint.managed && wants(endpoint, event))
