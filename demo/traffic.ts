// What happens at the demo's gateway: subscriptions, events, and inbox messages of which one in five comes twice.

import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const REQUEST_TIMEOUT_MS = 10_000
const EVENT_TYPES = ['order.created', 'order.paid', 'user.created', 'order.shipped', 'user.updated']
const INBOX_EVERY = 2
const REPEAT_EVERY = 5

export interface Subscriptions {
  well: string
  flaky: string
  down: string
}

async function post(url: string, body: string, headers: Record<string, string> = {}): Promise<{ id?: string }> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST ${url} was answered ${response.status}: ${text}`)
  return JSON.parse(text) as { id?: string }
}

/** Resolves with the ids. */
export async function subscribe(gateway: string, receiver: string): Promise<Subscriptions> {
  const one = async (path: string, settings: object): Promise<string> => {
    const body = JSON.stringify({ target_url: `${receiver}${path}`, ...settings })
    return (await post(`${gateway}/subscriptions`, body)).id ?? ''
  }
  return {
    well: await one('/well', { description: 'well', event_types: ['order.*', 'user.*'] }),
    flaky: await one('/flaky', { description: 'fails now and then', event_types: ['order.*'] }),
    down: await one('/down', {
      description: 'down',
      event_types: ['user.*'],
      retry_schedule: ['5s', '10s', '20s', '40s', '80s', '160s'],
    }),
  }
}

async function sendInbox(gateway: string, secret: string, number: number): Promise<void> {
  const body = JSON.stringify({
    message_id: `demo-${number}`,
    from: `+1202555${String(number % 10_000).padStart(4, '0')}`,
    to: '+12025550100',
    ts: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    text: `hello, this is message ${number}`,
  })
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  for (let times = number % REPEAT_EVERY === 0 ? 2 : 1; times > 0; times--)
    await post(`${gateway}/webhook`, body, { 'x-signature': signature })
}

export interface Traffic {
  gateway: string
  webhookSecret: string
  eventsPerSecond: number
}

/** Sends until `signal` says stop; `sent` is called for each event that the gateway has accepted. */
export async function send(traffic: Traffic, signal: AbortSignal, sent: () => void): Promise<void> {
  const { gateway, webhookSecret, eventsPerSecond } = traffic
  for (let number = 1; !signal.aborted; number++) {
    const type = EVENT_TYPES[number % EVENT_TYPES.length]!
    await post(`${gateway}/ingest`, JSON.stringify({ type, number, total: (number % 90) + 9.9 }), {
      'x-event-type': type,
    })
    sent()
    if (number % INBOX_EVERY === 0) await sendInbox(gateway, webhookSecret, number / INBOX_EVERY)
    await sleep(1000 / eventsPerSecond, undefined, { signal }).catch(() => {})
  }
}
