import { activeSecrets, type Endpoint } from '../domain/endpoint.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Scheme, SignedRequest } from '../sources/scheme.ts'

/** Throws `invalid_signature` unless the request is signed with one of the endpoint's secrets, or it has none. */
export function verify(scheme: Scheme, endpoint: Endpoint, request: SignedRequest, now: number): void {
  if (endpoint.secrets.length === 0) return
  if (!scheme.verify(request, activeSecrets(endpoint, now), now)) throw new GatewayError('invalid_signature')
}
