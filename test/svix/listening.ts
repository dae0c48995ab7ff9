/** Those who listen to what the gateway tells about itself, in the management organization. */
import type { Svix } from 'svix'
import { Webhook } from 'svix'
import { MANAGEMENT_ORG } from '../../src/domain/operational.ts'
import type { Client } from '../acceptance/gateway.ts'
import type { Hook, Receiver, Reply } from '../acceptance/receiver.ts'
import { Caller, newTenant, orgToken } from './sdk-gateway.ts'

export interface Told {
  type: string
  data: Record<string, unknown> & { lastAttempt?: { id: string; responseStatusCode: number; timestamp: string } }
}

export interface Listener {
  endpointId: string
  hook: Hook
  /** What arrived; throws when any of it was not signed with the listener's secret. */
  told: () => Told[]
  /** What arrived of one type. */
  only: (type: string) => Told['data'][]
}

/** A new operational-webhook endpoint of the tenant. */
export async function listen(
  { svix }: { svix: Svix },
  receiver: Receiver,
  settings: { eventTypes?: string[]; uid?: string; secret?: string } = {},
): Promise<Listener> {
  const hook = receiver.hook()
  const { id } = await svix.operationalWebhook.endpoint.create({ url: hook.url, ...settings })
  const { key } = await svix.operationalWebhook.endpoint.getSecret(id)
  return listenerAt(id, hook, key)
}

export function listenerAt(endpointId: string, hook: Hook, secret: string): Listener {
  const webhook = new Webhook(secret)
  const told = () =>
    hook.received.map(({ body, headers }) => {
      webhook.verify(body, headers as Record<string, string>)
      return JSON.parse(body.toString()) as Told
    })
  return {
    endpointId,
    hook,
    told,
    only: (type) =>
      told()
        .filter((one) => one.type === type)
        .map(({ data }) => data),
  }
}

/** Everything that was ever told to an organization, oldest first, whether or not anybody listened to that type. */
export async function everythingTold(client: Client, org: string): Promise<Told[]> {
  const { svix } = new Caller(client, orgToken(MANAGEMENT_ORG))
  const { data, done } = await svix.message.list(org, { limit: 250, withContent: true })
  if (!done) throw new Error('there is more than a page')
  return data.map(({ payload }) => payload as Told).toReversed()
}

/** Makes applications of tenants that listen, each with one endpoint which answers as told. */
export const sceneOf =
  (gateway: Client, receiver: Receiver) =>
  async (...replies: Reply[]) => {
    const tenant = newTenant(gateway)
    const listener = await listen(tenant, receiver)
    const app = await tenant.svix.application.create({ name: 'Customer', uid: 'customer' })
    const hook = receiver.hook(...replies)
    const endpoint = await tenant.svix.endpoint.create(app.id, { url: hook.url, uid: 'first' })
    const send = (eventId: string) =>
      tenant.svix.message.create(app.id, { eventType: 'order.paid', eventId, payload: { n: 1 } })
    const attempts = async (msgId: string) =>
      (await tenant.svix.messageAttempt.listByMsg(app.id, msgId)).data.toReversed()
    const named = { appId: app.id, appUid: 'customer', endpointId: endpoint.id }
    return { svix: tenant.svix, org: tenant.org, listener, app, endpoint, hook, send, attempts, named }
  }
