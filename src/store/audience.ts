/**
 * The stored form of a message's audience, in both engines: `named` is 1, `all` is 0, null came with a version that did
 * not say.
 */
import { DEFAULT_APP } from '../domain/application.ts'
import type { Audience } from '../domain/endpoint.ts'

export type StoredAudience = 0 | 1 | null

export const toStored = (audience: Audience): 0 | 1 => (audience === 'named' ? 1 : 0)

/** For an older message in the application of the plain routes, it is not known that all endpoints are meant. */
export const audienceFrom = (stored: StoredAudience, appId: string): Audience =>
  (stored === null ? appId === DEFAULT_APP : stored === 1) ? 'named' : 'all'
