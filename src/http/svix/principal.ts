/** Who a token speaks for, and what it may. */
import type { AppId, OrgId } from '../../domain/ids.ts'
import type { Claims, Tokens } from '../../lib/jwt.ts'
import { SvixError } from './problems.ts'

/** What a portal token can be allowed besides reading; the words are the API's. */
export const CAPABILITIES = [
  'ViewBase',
  'ViewEndpointSecret',
  'ManageEndpointSecret',
  'ManageTransformations',
  'CreateAttempts',
  'ManageEndpoint',
] as const
export type Capability = (typeof CAPABILITIES)[number]
export const READ_ONLY: readonly Capability[] = ['ViewBase', 'ViewEndpointSecret']

export interface Principal {
  orgId: OrgId
  /** A portal token speaks for this application only; null for the whole organization. */
  appId: AppId | null
  /** The feature flags of a portal token. */
  flags: readonly string[]
  capabilities: ReadonlySet<string>
}

/** Who may do something: organizations only, or portal tokens too, provided that they have the capability. */
export type Access = 'organization' | Capability

const DAY_MS = 86_400_000
export const PORTAL_TOKEN_MS = 28 * DAY_MS

/** A signed token has dots (RFC 7515, 7.1), and a `JWT_SECRET` has 16 characters or more, or is warned of. */
const isMaybeSecret = (token: string): boolean => token.length >= 16 && !token.includes('.')

const ALL: ReadonlySet<string> = new Set(CAPABILITIES)
const principals = new WeakMap<Claims, Principal>()

/** Throws 401 without a valid token, 400 for one that speaks for nobody, 403 for one that may not do this. */
export async function authenticate(
  tokens: Tokens,
  authorization: string | undefined,
  access: Access,
): Promise<Principal> {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) throw new SvixError('authentication_failed')
  // Often it is the signing secret itself that was sent. What is no token is told by its form only: whoever guesses learns nothing.
  if (isMaybeSecret(token))
    throw new SvixError(
      'authentication_failed',
      'Invalid token. This is no JWT: make one with `hookferry token`. If it is JWT_SECRET, make a new secret, for this one may be in logs now.',
    )
  const claims = await tokens.verify(token)
  if (claims === null) throw new SvixError('authentication_failed')
  let principal = principals.get(claims)
  if (principal === undefined) principals.set(claims, (principal = toPrincipal(claims)))
  const isAllowed = principal.appId === null || (access !== 'organization' && principal.capabilities.has(access))
  if (!isAllowed) throw new SvixError('insufficient access')
  return principal
}

function toPrincipal(claims: Claims): Principal {
  const { sub, org, feature_flags: flags, capabilities } = claims
  if (org === undefined) {
    if (typeof sub !== 'string' || !sub.startsWith('org_')) throw new SvixError('bad_token')
    return { orgId: sub as OrgId, appId: null, flags: [], capabilities: ALL }
  }
  const isPortal =
    typeof org === 'string' && org.startsWith('org_') && typeof sub === 'string' && sub.startsWith('app_')
  if (!isPortal)
    throw new SvixError('bad_token', 'The token is neither of an organization nor of an application in one.')
  return {
    orgId: org as OrgId,
    appId: sub as AppId,
    flags: Array.isArray(flags) ? flags.filter((flag) => typeof flag === 'string') : [],
    capabilities: Array.isArray(capabilities) ? new Set(capabilities as string[]) : ALL,
  }
}
