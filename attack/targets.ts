// Subscriptions and events of attacks on the way out.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { listen } from '../bench/peer.ts'
import { type Gateway } from '../bench/processes.ts'

/** A subscription without a secret, whose events anybody may send; tells its id. */
export async function subscribeOpenly(gateway: Gateway, targetUrl: string): Promise<string> {
  const answer = await post(gateway, '/subscriptions', { target_url: targetUrl })
  return (answer as { id: string }).id
}

/** Sends `{"event": …}` to one subscription. */
export async function postEvent(gateway: Gateway, subscription: string, event: string): Promise<void> {
  await post(gateway, `/ingest/${subscription}`, { event })
}

/** A port of 127.0.0.1 where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}

async function post(gateway: Gateway, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`)
  return JSON.parse(text)
}
