/** Notifications as their senders see them, and a gateway between them and Svix. */
import type { OutgoingHttpHeaders } from 'node:http'
import { SVIX_ENDPOINT } from '../../src/domain/endpoint.ts'
import { type FakeSvix, SVIX_TOKEN } from './fake-svix.ts'
import type { Answer, Client, Issue, MessageStatus } from './gateway.ts'

export { SVIX_ENDPOINT }

export interface Notified {
  accepted: number
  duplicates: number
  messages: { id: string; event_id: string; duplicate: boolean }[]
  svix?: string
}

export interface Event extends Record<string, unknown> {
  id: string
  type: string
}

/** The settings that lead to Svix. */
export const towards = (svix: FakeSvix, environment: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  SVIX_TOKEN,
  SVIX_SERVER_URL: svix.url,
  SVIX_APP_ID: 'app1',
  SVIX_RETRY_SCHEDULE: '30ms,60ms,60ms',
  ...environment,
})

let count = 0

/** A plain event with an id of its own. */
export const plainEvent = (given: Partial<Event> = {}): Event => ({
  id: `evt_${++count}`,
  type: 'user.created',
  user: { name: 'Zoë' },
  ...given,
})

export const cloudEvent = (given: Partial<Event> = {}): Event => ({
  specversion: '1.0',
  source: '/users',
  ...plainEvent({ user: undefined, data: { name: 'Zoë' } }),
  ...given,
})

/** Posts a body as it is, or anything else as JSON. */
export const post = (client: Client, body: unknown, headers: OutgoingHttpHeaders = {}): Promise<Answer> =>
  client.send('/notifications', {
    method: 'POST',
    body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })

/** Posts what has to be accepted. */
export async function notify(client: Client, body: unknown, headers: OutgoingHttpHeaders = {}): Promise<Notified> {
  const answer = await post(client, body, headers)
  if (answer.status !== 202) throw new Error(`${answer.status} ${answer.text}`)
  return answer.json<Notified>()
}

/** The id of the message that an event becomes. */
export async function notifyOne(client: Client, event: unknown): Promise<string> {
  const { messages } = await notify(client, event)
  return messages[0]?.id ?? ''
}

/** The delivery of a message to Svix. */
export const svixDelivery = (message: MessageStatus) =>
  message.deliveries.find((delivery) => delivery.subscription_id === SVIX_ENDPOINT)

/** Posts what has to be refused as not valid, and returns what is said of it. Nothing is stored. */
export async function issuesOf(client: Client, body: unknown, headers: OutgoingHttpHeaders = {}): Promise<Issue[]> {
  const before = JSON.stringify(client.rows())
  const { status, text } = await post(client, body, headers)
  const { detail, code } = JSON.parse(text) as { detail: Issue[]; code: string }
  if (status !== 422 || code !== 'validation') throw new Error(`${status} ${text}`)
  if (JSON.stringify(client.rows()) !== before) throw new Error('something was stored')
  return detail
}

/** `body.2.id: missing` */
export const placesOf = (issues: Issue[]): string[] => issues.map(({ loc, type }) => `${loc.join('.')}: ${type}`)
