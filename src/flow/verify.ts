import { activeSecrets, type Endpoint } from '../domain/endpoint.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Check, SourceRequest } from '../sources/source.ts'

/** Throws `invalid_signature` unless the request is signed with one of the endpoint's secrets, or it has none. */
export function verify(check: Check, endpoint: Endpoint, request: SourceRequest, now: number): void {
  if (endpoint.secrets.length === 0) return
  if (check(request, activeSecrets(endpoint, now), now) !== null) throw new GatewayError('invalid_signature')
}
