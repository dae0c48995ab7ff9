/** The party that a token speaks for, and its rights. */
import type { AppId, OrgId } from '../../domain/ids.ts'
import type { Claims, Tokens } from '../../lib/jwt.ts'
import { SvixError } from './problems.ts'

/** Capabilities of a portal token besides reading; the words are the API's. */
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
  /** The only application that a portal token speaks for; null for the whole organization. */
  appId: AppId | null
  /** The feature flags of a portal token. */
  flags: readonly string[]
  capabilities: ReadonlySet<string>
}

/** The callers that may do something: organizations only, or also portal tokens that have the capability. */
export type Access = 'organization' | Capability

const DAY_MS = 86_400_000
export const PORTAL_TOKEN_MS = 28 * DAY_MS

/**
 * True for a text that may be a secret. A signed token has dots (RFC 7515, 7.1). A `JWT_SECRET` has 16 characters or
 * more; a shorter one causes a warning.
 */
const isMaybeSecret = (token: string): boolean => token.length >= 16 && !token.includes('.')

const ALL: ReadonlySet<string> = new Set(CAPABILITIES)
const principals = new WeakMap<Claims, Principal>()

/**
 * Throws 401 without a valid token, 400 for a token that speaks for no organization, 403 for a token without this
 * right.
 */
export async function authenticate(
  tokens: Tokens,
  authorization: string | undefined,
  access: Access,
): Promise<Principal> {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) throw new SvixError('authentication_failed')
  // Clients often send the signing secret itself. The hint depends on the text's form only, so a client that guesses
  // learns nothing.
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
