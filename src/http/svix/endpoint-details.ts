/** Details that an endpoint does not show with itself: its own headers, and its secret. */
import { z } from 'zod'
import { isSensitiveHeader } from '../../domain/custom-headers.ts'
import type { Endpoint } from '../../domain/endpoint.ts'
import { LIMITS } from '../../domain/limits.ts'
import { editEndpoint, ROTATION_OVERLAP_MS, rotateSecret } from '../../manage/endpoints.ts'
import { list, text } from '../bounded.ts'
import { named } from '../described.ts'
import { customHeaders, customHeadersPatch, mergeHeaders } from '../schemas.ts'
import type { EndpointCollection } from './endpoints.ts'
import { newSecret, secretIn } from './endpoint-schemas.ts'
import {
  type AnyOperation,
  Empty,
  findEndpoint,
  noContent,
  ok,
  operation,
  Replayed,
  type SvixContext,
} from './operation.ts'
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

/** Values of headers that authenticate are not shown again; the answer only says that they exist. */
function toHeadersOut({ headers }: Endpoint): z.infer<typeof HeadersOut> {
  return {
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !isSensitiveHeader(name))),
    sensitive: Object.keys(headers).filter(isSensitiveHeader),
  }
}

/** A header that is both set and deleted is set. */
const changesIn = ({ headers, deleteHeaders }: z.output<typeof HeadersPatchIn>): Record<string, string | null> => ({
  ...Object.fromEntries((deleteHeaders ?? []).map((name) => [name, null])),
  ...headers,
})

type Located = Awaited<ReturnType<typeof locate>>
type Named = Parameters<EndpointCollection['application']>[1]

async function locate(context: SvixContext, collection: EndpointCollection, call: Named) {
  const application = await collection.application(context, call)
  return { application, endpoint: await findEndpoint(context, application.id, call.params['endpoint_id']) }
}

async function setHeaders(
  context: SvixContext,
  { application, endpoint }: Located,
  change: (before: Endpoint) => Record<string, string>,
): Promise<void> {
  // The API has no event for changed headers, though it has one for all other changes.
  const edited = await editEndpoint(
    context.manage,
    { application, id: endpoint.id },
    (before) => ({ headers: change(before) }),
    {
      isTold: false,
    },
  )
  if (edited === null) throw new SvixError('not_found')
}

const endpointGetHeaders = (collection: EndpointCollection) =>
  operation({
    method: 'GET',
    url: `${collection.path}/:endpoint_id/headers`,
    id: `${collection.operations}.get-headers`,
    summary: 'Read the headers that deliveries to it carry',
    access: collection.access('ViewBase'),
    answers: { 200: HeadersOut },
    handle: async (context, call) => ok(toHeadersOut((await locate(context, collection, call)).endpoint)),
  })

const endpointUpdateHeaders = (collection: EndpointCollection) =>
  operation({
    method: 'PUT',
    url: `${collection.path}/:endpoint_id/headers`,
    id: `${collection.operations}.update-headers`,
    summary: 'Replace its headers',
    access: collection.access('ManageEndpoint'),
    body: HeadersIn,
    answers: { 204: Empty },
    async handle(context, call) {
      await setHeaders(context, await locate(context, collection, call), () => call.body.headers)
      return noContent
    },
  })

const endpointPatchHeaders = (collection: EndpointCollection) =>
  operation({
    method: 'PATCH',
    url: `${collection.path}/:endpoint_id/headers`,
    id: `${collection.operations}.patch-headers`,
    summary: 'Set some of its headers; `null` removes one',
    access: collection.access('ManageEndpoint'),
    body: HeadersPatchIn,
    answers: { 204: Empty },
    async handle(context, call) {
      await setHeaders(context, await locate(context, collection, call), (before) =>
        mergeHeaders(before.headers, changesIn(call.body)),
      )
      return noContent
    },
  })

const endpointGetSecret = (collection: EndpointCollection) =>
  operation({
    method: 'GET',
    url: `${collection.path}/:endpoint_id/secret`,
    id: `${collection.operations}.get-secret`,
    summary: 'Read what its receiver verifies with',
    access: collection.access('ViewEndpointSecret'),
    answers: { 200: SecretOut },
    async handle(context, call) {
      const { endpoint } = await locate(context, collection, call)
      const [current] = endpoint.secrets
      if (current === undefined)
        throw new SvixError('not_found', 'The endpoint has no secret: rotate it to give it one.')
      return ok(secretJson(current.secret))
    },
  })

const endpointRotateSecret = (collection: EndpointCollection) =>
  operation({
    method: 'POST',
    url: `${collection.path}/:endpoint_id/secret/rotate`,
    id: `${collection.operations}.rotate-secret`,
    summary: 'Give it a new secret; the old one signs along for a while. SDKs from 2.7.0 on are told the key',
    access: collection.access('ManageEndpointSecret'),
    body: RotateIn,
    answers: { 200: SecretOut, 204: Empty },
    async handle(context, call) {
      const isTold = readsRotatedKey(call.userAgent)
      const { application, endpoint } = await locate(context, collection, call)
      const secret = call.body.key ?? newSecret(context.config.defaultSignatureType)
      const { gracePeriodSeconds: graceS } = call.body
      const overlapMs = graceS == null ? ROTATION_OVERLAP_MS.fallback : graceS * 1_000
      const answer = isTold ? call.answer(200, secretRecipe(endpoint, secret)) : call.answer(204, null)
      const edited = await rotateSecret(context.manage, { application, id: endpoint.id }, { secret, overlapMs }, answer)
      if (edited === 'limit_reached')
        throw new SvixError('limit_reached', 'Ten old secrets still sign: wait until one of them expires.')
      if (edited === 'replayed') throw new Replayed()
      if (edited === null) throw new SvixError('not_found')
      return isTold ? ok(secretJson(secret)) : noContent
    },
  })

export const endpointDetailOperations = (collection: EndpointCollection): readonly AnyOperation[] =>
  [endpointGetHeaders, endpointUpdateHeaders, endpointPatchHeaders, endpointGetSecret, endpointRotateSecret].map((of) =>
    of(collection),
  )
