/** Those who listen to what the gateway tells about itself, in the management organization. */
import type { Svix } from 'svix'
import { Webhook } from 'svix'
import { MANAGEMENT_ORG } from '../../src/domain/operational.ts'
import type { Client } from '../acceptance/gateway.ts'
import type { Hook, Receiver } from '../acceptance/receiver.ts'
import { Caller, orgToken } from './sdk-gateway.ts'

export interface Told {
  type: string
  data: Record<string, unknown> & { lastAttempt?: { id: string; responseStatusCode: number; timestamp: string } }
}

export interface Listener {
  endpointId: string
  hook: Hook
  /** What arrived; throws when any of it was not signed with the listener's secret. */
  told(): Told[]
  /** What arrived of one type. */
  only(type: string): Told['data'][]
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
  return data.map(({ payload }) => payload as Told).reverse()
}
