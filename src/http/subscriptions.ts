import { attemptsWith } from '../store/port/history.ts'
import { newest } from '../store/port/page.ts'
import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { blankEndpoint, type Endpoint } from '../domain/endpoint.ts'
import { GatewayError } from '../domain/errors.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import { createEndpoint, editEndpoint, removeEndpoint } from '../manage/endpoints.ts'
import type { HttpContext, Server } from './context.ts'
import { closed } from './closed.ts'
import { attemptCursor, NextCursor, toAttemptCursor } from './cursors.ts'
import { readDefaultApplication } from './default-application.ts'
import { urlText } from './bounded.ts'
import { named } from './described.ts'
import { Attempt, Outcome, toAttempt } from './delivery-schemas.ts'
import { readBounded } from './page-bytes.ts'
import {
  booleanParameter,
  count,
  limitParameter,
  offsetParameter,
  Refusal,
  toEndpointId,
  toId,
  ValidationRefusal,
} from './schemas.ts'
import {
  settingsFrom,
  settingsPatched,
  Subscription,
  subscriptionIn,
  subscriptionPatch,
  toSubscription,
} from './subscription-schemas.ts'

const LIST_MAX = 250

const SubscriptionList = named(
  'SubscriptionList',
  z.object({ data: z.array(Subscription), total: count, limit: count, offset: count }),
)
const AttemptList = named('AttemptList', z.object({ data: z.array(Attempt), next_cursor: NextCursor }))
const Secret = named('SubscriptionSecret', z.object({ secret: z.string().nullable() }))

export function subscriptionRoutes(
  app: Server,
  { config: { applicationEndpointsMax: max }, store, applications, manage, guard, clock, ids }: HttpContext,
): void {
  const SubscriptionIn = closed(subscriptionIn(guard), Subscription)
  const SubscriptionPatch = closed(subscriptionPatch(guard), Subscription)
  const common = {
    tags: ['subscriptions'],
    security: [{ management: [] }],
  }
  const params = z.object({ id: urlText() })
  const config = { management: true }

  async function find(idText: string): Promise<Endpoint> {
    const id = toId('ep', idText)
    const endpoint = id && (await store.getEndpoint(DEFAULT_APP, id))
    if (endpoint === null || endpoint.managed) throw new GatewayError('subscription_not_found')
    return endpoint
  }

  /** True when the subscription exists, or existed and has attempts that are kept. */
  async function isKnown(of: { appId: AppId; endpointId: EndpointId }): Promise<boolean> {
    if ((await store.getEndpoint(of.appId, of.endpointId)) !== null) return true
    return (await store.listAttempts(attemptsWith(of), newest(1))).length > 0
  }

  async function edit(idText: string, change: (before: Endpoint) => Partial<Endpoint>): Promise<Endpoint> {
    const { id } = await find(idText)
    const edited = await editEndpoint(manage, { application: await readDefaultApplication(applications), id }, change)
    if (edited === null || typeof edited === 'string') throw new GatewayError('subscription_not_found')
    return edited
  }

  app.post(
    '/subscriptions',
    {
      config,
      schema: {
        ...common,
        operationId: 'createSubscription',
        summary: 'Create a subscription',
        body: SubscriptionIn,
        response: { 201: Subscription, 422: z.union([ValidationRefusal, Refusal]) },
      },
    },
    async (request, reply) => {
      const now = clock.now()
      const endpoint: Endpoint = {
        ...blankEndpoint({ appId: DEFAULT_APP, id: ids.next('ep', now), now }),
        ...settingsFrom(request.body, null),
      }
      const result = await createEndpoint(manage, await readDefaultApplication(applications), endpoint, { max })
      if (result === 'limit_reached')
        throw new GatewayError('limit_reached', {
          detail: `There are ${max} subscriptions, and APPLICATION_ENDPOINTS_MAX allows no more. Delete some that nobody needs.`,
        })
      return reply.code(201).header('location', `/subscriptions/${endpoint.id}`).send(toSubscription(endpoint))
    },
  )

  app.get(
    '/subscriptions',
    {
      config,
      schema: {
        ...common,
        operationId: 'listSubscriptions',
        summary: 'List subscriptions, oldest first',
        description: 'The rest of the list: add `limit` of the answer to `offset`, until that reaches `total`.',
        querystring: z.object({
          limit: limitParameter(50, LIST_MAX),
          offset: offsetParameter,
          enabled: booleanParameter.optional(),
        }),
        response: {
          200: SubscriptionList,
          422: ValidationRefusal,
        },
      },
    },
    async (request) => {
      const { limit, offset, enabled } = request.query
      const disabled = enabled === undefined ? null : !enabled
      let total = 0
      const { rows, isCut } = await readBounded<Endpoint>(limit, async (some, before) => {
        const page = await store.listEndpoints({
          appId: DEFAULT_APP,
          limit: some,
          offset: offset + before.length,
          disabled,
        })
        total = page.total
        return page.data
      })
      // A client that goes on by `limit` must not skip rows that had no room.
      return { data: rows.map(toSubscription), total, limit: isCut ? rows.length : limit, offset }
    },
  )

  app.get(
    '/subscriptions/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'getSubscription',
        summary: 'Read a subscription',
        params,
        response: { 200: Subscription, 404: Refusal },
      },
    },
    async (request) => toSubscription(await find(request.params.id)),
  )

  app.get(
    '/subscriptions/:id/secret',
    {
      config,
      schema: {
        ...common,
        operationId: 'getSubscriptionSecret',
        summary: 'Read its secret',
        params,
        response: { 200: Secret, 404: Refusal },
      },
    },
    async (request) => ({ secret: (await find(request.params.id)).secrets[0]?.secret ?? null }),
  )

  app.put(
    '/subscriptions/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'replaceSubscription',
        summary: 'Replace a subscription',
        description: 'A secret that is not mentioned is kept; `"secret": null` removes it.',
        params,
        body: SubscriptionIn,
        response: { 200: Subscription, 404: Refusal, 409: Refusal, 422: ValidationRefusal },
      },
    },
    async (request) => toSubscription(await edit(request.params.id, (before) => settingsFrom(request.body, before))),
  )

  app.patch(
    '/subscriptions/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'updateSubscription',
        summary: 'Change some members of a subscription',
        description: 'What is absent stays, `null` unsets.',
        params,
        body: SubscriptionPatch,
        response: { 200: Subscription, 404: Refusal, 409: Refusal, 422: ValidationRefusal },
      },
    },
    async (request) => toSubscription(await edit(request.params.id, (before) => settingsPatched(request.body, before))),
  )

  app.delete(
    '/subscriptions/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'deleteSubscription',
        summary: 'Delete a subscription; what waits for it is cancelled',
        params,
        response: { 204: z.null(), 404: Refusal },
      },
    },
    async (request, reply) => {
      const endpoint = await find(request.params.id)
      const wasThere = await removeEndpoint(manage, await readDefaultApplication(applications), endpoint)
      if (!wasThere) throw new GatewayError('subscription_not_found')
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/subscriptions/:id/attempts',
    {
      config,
      schema: {
        ...common,
        operationId: 'listSubscriptionAttempts',
        summary: 'Delivery attempts, newest first',
        description:
          'The id `svix` stands for the Svix destination of notifications. The attempts of a deleted subscription are listed as long as ' +
          'there are any. The rest of the list: ask again with `cursor=` and the `next_cursor` of the page, until that is null.',
        params,
        querystring: z.object({
          limit: limitParameter(20, LIST_MAX),
          outcome: Outcome.optional(),
          cursor: attemptCursor,
        }),
        response: { 200: AttemptList, 404: Refusal, 422: ValidationRefusal },
      },
    },
    async (request) => {
      const endpointId = toEndpointId(request.params.id)
      if (endpointId === null) throw new GatewayError('subscription_not_found')
      const { limit, outcome, cursor } = request.query
      const of = { appId: DEFAULT_APP as AppId, endpointId }
      const attempts = await store.listAttempts(
        attemptsWith({ ...of, outcomes: outcome === undefined ? null : [outcome] }),
        newest(limit + 1, cursor ?? null),
      )
      if (attempts.length === 0 && !(await isKnown(of))) throw new GatewayError('subscription_not_found')
      const data = attempts.slice(0, limit)
      const last = attempts.length > limit ? data.at(-1) : undefined
      return { data: data.map(toAttempt), next_cursor: last === undefined ? null : toAttemptCursor(last.id) }
    },
  )
}
