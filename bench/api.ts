// What the scenarios ask of the gateway's management API.

import { z } from 'zod'
import type { Gateway } from './processes.ts'

export const SECRET = 'benchmark-secret'

const Created = z.object({ id: z.string() })

async function expectStatus(response: Response, status: number): Promise<Response> {
  if (response.status === status) return response
  throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`)
}

/** Creates a subscription for everything, signed with `SECRET`, and tells its id. */
export async function subscribe(gateway: Gateway, targetUrl: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/subscriptions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ target_url: targetUrl, secret: SECRET }),
  })
  const created = await expectStatus(response, 201)
  return Created.parse(await created.json()).id
}

/** The gateway's own count of attempts that succeeded. */
export const successfulAttempts = (gateway: Gateway): Promise<number> =>
  counter(gateway, 'hookferry_attempts_total{outcome="success"}')

/** A figure of the gateway's metrics; 0 when it is not there. */
export async function counter(gateway: Gateway, name: string): Promise<number> {
  const response = await expectStatus(await fetch(`http://127.0.0.1:${gateway.port}/metrics`), 200)
  const found = (await response.text()).split('\n').find((text) => text.startsWith(`${name} `))
  return Number(found?.slice(name.length) ?? 0)
}

export async function get(gateway: Gateway, path: string): Promise<unknown> {
  return (await expectStatus(await fetch(`http://127.0.0.1:${gateway.port}${path}`), 200)).json()
}
