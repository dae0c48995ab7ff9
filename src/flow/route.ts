import { type Audience, type Candidate, wants } from '../domain/endpoint.ts'

/**
 * The endpoints that get the event, without the Svix destination, which gets notifications only. Matching happens now;
 * a later change of an endpoint does not change the deliveries.
 */
export const route = (
  endpoints: readonly Candidate[],
  event: { eventType: string; channels: readonly string[] | null; audience: Audience },
): Candidate[] => endpoints.filter((endpoint) => !endpoint.managed && wants(endpoint, event))
