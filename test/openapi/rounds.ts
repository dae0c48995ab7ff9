/**
 * Programs that use a generated client, as their users write them: they are compiled together with the client, and then run.
 * Each makes, reads, lists, changes and deletes, sends an event on the way, and says what it saw.
 */

/** `oazapfts`: a function for each operation. It is called `client.ts`. */
export const OAZAPFTS = {
  plain: `
import * as api from './client'

export async function round(url: string): Promise<unknown[]> {
  api.defaults.baseUrl = url
  const created = await api.createSubscription({ target_url: 'http://127.0.0.1:9/', event_types: ['order.*'], enabled: false })
  if (created.status !== 201) throw new Error(created.data.toString())
  const subscription: api.Subscription = created.data
  const { id } = subscription
  const listed = await api.listSubscriptions({ limit: 10, offset: 0, enabled: false })
  const total: number | null = listed.status === 200 ? listed.data.total : null
  const patched = await api.updateSubscription(id, { rate_limit: 5, retry_schedule: ['1m', '5m'] })
  const replaced = await api.replaceSubscription(id, { target_url: 'http://127.0.0.1:9/other', retry_schedule: 'svix' })
  const receipt = await api.ingestToSubscription(id, { total: 1 }, { eventType: 'order.paid', idempotencyKey: 'k1' })
  const delivery = receipt.status === 202 ? await api.getDelivery(receipt.data.id) : null
  const deleted = await api.deleteSubscription(id)
  const gone = await api.getSubscription(id)
  return [
    total,
    patched.status === 200 && patched.data.rate_limit,
    replaced.status === 200 && replaced.data.target_url,
    receipt.status,
    delivery?.status === 200 && delivery.data.event_type,
    deleted.status,
    gone.status === 404 && gone.data.code,
  ]
}
`,
  svix: `
import * as api from './client'

export async function round(url: string, token: string): Promise<unknown[]> {
  api.defaults.baseUrl = url
  api.defaults.headers = { authorization: 'Bearer ' + token }
  const app = await api.v1ApplicationCreate({ name: 'Acme', uid: 'oazapfts' }, { idempotencyKey: 'k1' })
  if (app.status !== 201) throw new Error(JSON.stringify(app.data))
  const made: api.ApplicationOut = app.data
  const created = await api.v1EndpointCreate('oazapfts', { url: 'http://127.0.0.1:9/', disabled: true, metadata: { a: 'b' } })
  if (created.status !== 201) throw new Error(JSON.stringify(created.data))
  const { id } = created.data
  const listed = await api.v1EndpointList('oazapfts', { limit: 10, order: 'ascending' })
  const patched = await api.v1EndpointPatch('oazapfts', id, { description: 'The first' })
  const message = await api.v1MessageCreate('oazapfts', { eventType: 'order.paid', payload: { total: 1 } })
  const deleted = await api.v1EndpointDelete('oazapfts', id)
  const gone = await api.v1EndpointGet('oazapfts', id)
  const unreadable = await api.v1EndpointList('oazapfts', { limit: -1 })
  return [
    made.uid,
    listed.status === 200 && listed.data.data.length,
    patched.status === 200 && patched.data.description,
    message.status === 202 && message.data.eventType,
    deleted.status,
    gone.status === 404 && gone.data.code,
    unreadable.status === 400 && unreadable.data.code,
  ]
}
`,
}

/** `openapi-typescript-codegen`: a class for each tag, a type for each component. Its folder is called `client`. */
export const CODEGEN = {
  plain: `
import { ApiError, Client, type Subscription, type SubscriptionInput } from './client'

export async function round(url: string): Promise<unknown[]> {
  const client = new Client({ BASE: url })
  const settings: SubscriptionInput = { target_url: 'http://127.0.0.1:9/', event_types: ['order.*'], enabled: false }
  const { id }: Subscription = await client.subscriptions.createSubscription(settings)
  const { total } = await client.subscriptions.listSubscriptions(10, 0, false)
  const patched = await client.subscriptions.updateSubscription(id, { rate_limit: 5, retry_schedule: ['1m', '5m'] })
  const replaced = await client.subscriptions.replaceSubscription(id, {
    target_url: 'http://127.0.0.1:9/other',
    retry_schedule: 'svix',
  })
  const receipt = await client.ingest.ingestToSubscription(id, { total: 1 }, 'order.paid')
  const delivery = await client.deliveries.getDelivery(receipt.id)
  await client.subscriptions.deleteSubscription(id)
  const gone: unknown = await client.subscriptions.getSubscription(id).catch((error: unknown) => error)
  return [
    total,
    patched.rate_limit,
    replaced.target_url,
    202,
    delivery.event_type,
    204,
    gone instanceof ApiError && gone.body.code,
  ]
}
`,
  svix: `
import { ApiError, type ApplicationOut, Client } from './client'

export async function round(url: string, token: string): Promise<unknown[]> {
  const client = new Client({ BASE: url, TOKEN: token })
  const made: ApplicationOut = await client.svixApplication.v1ApplicationCreate({ name: 'Acme', uid: 'codegen' })
  const endpoint = { url: 'http://127.0.0.1:9/', disabled: true, metadata: { a: 'b' } }
  const { id } = await client.svixEndpoint.v1EndpointCreate('codegen', endpoint)
  const listed = await client.svixEndpoint.v1EndpointList('codegen', 10, undefined, 'ascending')
  const patched = await client.svixEndpoint.v1EndpointPatch('codegen', id, { description: 'The first' })
  const message = await client.svixMessage.v1MessageCreate('codegen', { eventType: 'order.paid', payload: { total: 1 } })
  await client.svixEndpoint.v1EndpointDelete('codegen', id)
  const codeOf = (error: unknown): unknown => error instanceof ApiError && error.body.code
  return [
    made.uid,
    listed.data.length,
    patched.description,
    message.eventType,
    204,
    await client.svixEndpoint.v1EndpointGet('codegen', id).catch(codeOf),
    await client.svixEndpoint.v1EndpointList('codegen', -1).catch(codeOf),
  ]
}
`,
}
