/** What an endpoint does not show of itself: its own headers, and its secret. */
import { z } from 'zod'
import { isSensitiveHeader } from '../../domain/custom-headers.ts'
import type { Endpoint } from '../../domain/endpoint.ts'
import { LIMITS } from '../../domain/limits.ts'
import { editEndpoint, ROTATION_OVERLAP_MS, rotateSecret } from '../../manage/endpoints.ts'
import type { Server } from '../context.ts'
import { list, text } from '../bounded.ts'
import { named } from '../described.ts'
import { customHeaders, customHeadersPatch, mergeHeaders } from '../schemas.ts'
import type { EndpointPlace } from './endpoints.ts'
import { newSecret, secretIn } from './endpoint-schemas.ts'
import { defineOperation, Empty, findEndpoint, noContent, ok, Replayed, type SvixContext } from './operation.ts'
import { SvixError } from './problems.ts'
import { orDefault } from './schemas.ts'
import { secretJson, secretRecipe } from './repeats.ts'
import { readsRotatedKey } from './sdk.ts'

const HEADER_NAME_CHARS_MAX = 256
const GRACE_MAX_S = ROTATION_OVERLAP_MS.max / 1_000

const HeadersIn = named('EndpointHeadersIn', z.object({ headers: customHeaders }))

const HeadersPatchIn = named(
  'EndpointHeadersPatchIn',
  z.object({
    headers: orDefault(customHeadersPatch, {}),
    deleteHeaders: list(text({ max: HEADER_NAME_CHARS_MAX }), { max: LIMITS.customHeadersMax }).nullish(),
  }),
)

const HeadersOut = named(
  'EndpointHeadersOut',
  z.object({ headers: z.record(z.string(), z.string()), sensitive: z.array(z.string()) }),
)

const RotateIn = named(
  'EndpointSecretRotateIn',
  z.object({
    key: secretIn.nullish(),
    gracePeriodSeconds: z
      .number()
      .int()
      .min(0, 'has to be at least 0')
      .max(GRACE_MAX_S, `has to be at most ${GRACE_MAX_S}`)
      .nullish(),
  }),
)

const SecretOut = named('EndpointSecretOut', z.object({ key: z.string() }))

/** Values of headers that authenticate are not shown again, only that they are there. */
function toHeadersOut({ headers }: Endpoint): z.infer<typeof HeadersOut> {
  return {
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !isSensitiveHeader(name))),
    sensitive: Object.keys(headers).filter(isSensitiveHeader),
  }
}

/** What is set wins over what is deleted. */
const changesIn = ({ headers, deleteHeaders }: z.output<typeof HeadersPatchIn>): Record<string, string | null> => ({
  ...Object.fromEntries((deleteHeaders ?? []).map((name) => [name, null])),
  ...headers,
})

export function endpointDetailOperations(app: Server, context: SvixContext, place: EndpointPlace): void {
  const { manage } = context
  const { operations, access } = place
  const path = `${place.path}/:endpoint_id`

  type Located = Parameters<EndpointPlace['application']>[0]
  async function locate(call: Located) {
    const application = await place.application(call)
    return { application, endpoint: await findEndpoint(context, application.id, call.params['endpoint_id']) }
  }

  async function setHeaders(call: Located, change: (before: Endpoint) => Record<string, string>): Promise<void> {
    const { application, endpoint } = await locate(call)
    // The API does not tell of headers, though it tells of everything else.
    const edited = await editEndpoint(
      manage,
      { application, id: endpoint.id },
      (before) => ({ headers: change(before) }),
      {
        isTold: false,
      },
    )
    if (edited === null) throw new SvixError('not_found')
  }

  defineOperation(app, context, {
    method: 'GET',
    url: `${path}/headers`,
    id: `${operations}.get-headers`,
    summary: 'Read the headers that deliveries to it carry',
    access: access('ViewBase'),
    answers: { 200: HeadersOut },
    handle: async (call) => ok(toHeadersOut((await locate(call)).endpoint)),
  })

  defineOperation(app, context, {
    method: 'PUT',
    url: `${path}/headers`,
    id: `${operations}.update-headers`,
    summary: 'Replace its headers',
    access: access('ManageEndpoint'),
    body: HeadersIn,
    answers: { 204: Empty },
    async handle(call) {
      await setHeaders(call, () => call.body.headers)
      return noContent
    },
  })

  defineOperation(app, context, {
    method: 'PATCH',
    url: `${path}/headers`,
    id: `${operations}.patch-headers`,
    summary: 'Set some of its headers; `null` removes one',
    access: access('ManageEndpoint'),
    body: HeadersPatchIn,
    answers: { 204: Empty },
    async handle(call) {
      await setHeaders(call, (before) => mergeHeaders(before.headers, changesIn(call.body)))
      return noContent
    },
  })

  defineOperation(app, context, {
    method: 'GET',
    url: `${path}/secret`,
    id: `${operations}.get-secret`,
    summary: 'Read what its receiver verifies with',
    access: access('ViewEndpointSecret'),
    answers: { 200: SecretOut },
    async handle(call) {
      const { endpoint } = await locate(call)
      const [current] = endpoint.secrets
      if (current === undefined)
        throw new SvixError('not_found', 'The endpoint has no secret: rotate it to give it one.')
      return ok(secretJson(current.secret))
    },
  })

  defineOperation(app, context, {
    method: 'POST',
    url: `${path}/secret/rotate`,
    id: `${operations}.rotate-secret`,
    summary: 'Give it a new secret; the old one signs along for a while. SDKs from 2.7.0 on are told the key',
    access: access('ManageEndpointSecret'),
    body: RotateIn,
    answers: { 200: SecretOut, 204: Empty },
    async handle(call) {
      const isTold = readsRotatedKey(call.userAgent)
      const { application, endpoint } = await locate(call)
      const secret = call.body.key ?? newSecret(context.config.defaultSignatureType)
      const { gracePeriodSeconds: graceS } = call.body
      const overlapMs = graceS == null ? ROTATION_OVERLAP_MS.fallback : graceS * 1_000
      const answer = isTold ? call.answer(200, secretRecipe(endpoint, secret)) : call.answer(204, null)
      const edited = await rotateSecret(manage, { application, id: endpoint.id }, { secret, overlapMs }, answer)
      if (edited === 'limit_reached')
        throw new SvixError('limit_reached', 'Ten old secrets still sign: wait until one of them expires.')
      if (edited === 'replayed') throw new Replayed()
      if (edited === null) throw new SvixError('not_found')
      return isTold ? ok(secretJson(secret)) : noContent
    },
  })
}
