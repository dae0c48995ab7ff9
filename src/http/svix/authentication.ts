/** Tokens for application portals, which limit what one application's own users may see and do. */
import { z } from 'zod'
import type { Server } from '../context.ts'
import { list, text } from '../bounded.ts'
import { named, withExample } from '../described.ts'
import { ApplicationIn, applicationOnTheFly } from './applications.ts'
import {
  type Call,
  operation,
  type AnyOperation,
  type Done,
  ok,
  parseBody,
  type SvixContext,
  unlessReplayed,
} from './operation.ts'
import { CAPABILITIES, PORTAL_TOKEN_MS, READ_ONLY } from './principal.ts'
import { SvixError, SvixRefusal } from './problems.ts'
import { portalJson, portalRecipe } from './repeats.ts'
import { setOf, wordOf } from './schemas.ts'

const EXPIRY_S = { min: 3_600, max: 7 * 86_400 }

const FEATURE_FLAGS_MAX = 100
/** Characters of all flags of a token. Every request carries its token, and a longer text is not read as a token. */
const FLAGS_CHARS_MAX = 4_096
const SESSION_ID_CHARS_MAX = 256

const PortalAccessIn = named(
  'AppPortalAccessIn',
  withExample(
    { readOnly: true },
    z.object({
      featureFlags: list(wordOf('a feature flag'), { max: FEATURE_FLAGS_MAX })
        .refine(
          (flags) => JSON.stringify(flags).length <= FLAGS_CHARS_MAX,
          `are larger than the ${FLAGS_CHARS_MAX} bytes that fit into a token`,
        )
        .nullish(),
      application: ApplicationIn.nullish(),
      readOnly: z.boolean().nullish(),
      capabilities: setOf(z.enum(CAPABILITIES), { max: CAPABILITIES.length }).nullish(),
      expiry: z
        .number()
        .int()
        .min(EXPIRY_S.min, `has to be at least ${EXPIRY_S.min} seconds`)
        .max(EXPIRY_S.max, `has to be at most ${EXPIRY_S.max} seconds`)
        .nullish(),
      sessionId: text({ max: SESSION_ID_CHARS_MAX }).nullish(),
    }),
  ),
)

const CANNOT_SIGN = 'JWT_SECRET is a public key, so that tokens of portals are made by whoever has the private one.'

type PortalAccess = z.output<typeof PortalAccessIn>

/**
 * The older operation has no body, and accepts any. It ignores everything except members that would limit the token.
 */
function optionsIn(bytes: Buffer): PortalAccess {
  let given: unknown
  try {
    given = JSON.parse(bytes.toString())
  } catch {
    return {}
  }
  const isMeant =
    typeof given === 'object' &&
    given !== null &&
    Object.keys(given).some((name) => Object.hasOwn(PortalAccessIn.shape, name))
  return isMeant ? parseBody(PortalAccessIn, bytes) : {}
}

async function portalAccess(context: SvixContext, call: Call<unknown, unknown>, body: PortalAccess): Promise<Done> {
  const { tokens, clock, store } = context
  if (!tokens.canSign) throw new SvixError('not_implemented', CANNOT_SIGN)
  const { principal, answer } = call
  const application = await applicationOnTheFly(context, call, body.application)
  const capabilities =
    body.readOnly === true ? READ_ONLY.filter((one) => body.capabilities?.includes(one) ?? true) : body.capabilities
  const claims = tokens.dated(
    {
      org: principal.orgId,
      sub: application.id,
      ...(body.featureFlags?.length ? { feature_flags: body.featureFlags } : {}),
      ...(capabilities == null ? {} : { capabilities: [...capabilities] }),
    },
    clock.now() + (body.expiry == null ? PORTAL_TOKEN_MS : body.expiry * 1_000),
  )
  // There is no hosted portal; the page for trying the API accepts the token.
  const url = `${context.publicUrl()}/docs`
  const stored = answer(200, portalRecipe(url, claims))
  if (stored !== null) unlessReplayed(await store.saveAnswer(stored))
  return ok(portalJson(url, await tokens.signDated(claims)))
}

const common = {
  method: 'POST',
  summary: 'Make a token for the portal of an application',
  access: 'organization',
  answers: { 200: named('AppPortalAccessOut', z.object({ url: z.string(), token: z.string() })) },
} as const
const authenticationAppPortalAccess = operation({
  ...common,
  url: '/auth/app-portal-access/:app_id',
  id: 'v1.authentication.app-portal-access',
  body: PortalAccessIn,
  handle: (context, call) => portalAccess(context, call, call.body),
})

/** Older clients use this operation. */
const authenticationDashboardAccess = operation({
  ...common,
  url: '/auth/dashboard-access/:app_id',
  id: 'v1.authentication.dashboard-access',
  handle: (context, call) => portalAccess(context, call, optionsIn(call.bytes)),
})

export const authenticationOperations: readonly AnyOperation[] = [
  authenticationAppPortalAccess,
  authenticationDashboardAccess,
]

/** The operation needs no token: there is nothing to end. */
export function logoutRoute(app: Server): void {
  app.post(
    '/auth/logout',
    {
      schema: {
        tags: ['svix: authentication'],
        operationId: 'v1.authentication.logout',
        summary: 'Not implemented: tokens end by themselves',
        response: { 501: SvixRefusal },
      },
    },
    async () => {
      throw new SvixError('not_implemented')
    },
  )
}
