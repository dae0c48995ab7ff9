// What the scenarios ask of the gateway's management API.

import { z } from 'zod'
import { DEFAULT_APP, DEFAULT_ORG } from '../src/domain/application.ts'
import { createTokens, hs256 } from '../src/lib/jwt.ts'
import type { KindName } from './event.ts'
import { type Gateway, JWT_SECRET } from './processes.ts'

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

/** An API that events can come through. */
export type Door = 'plain' | 'svix'

/** Where and how a generator sends events that go to the subscription. */
export async function openDoor(
  door: Door,
  gateway: Gateway,
  subscription: string,
): Promise<{ path: string; kind: KindName; token?: string }> {
  if (door === 'plain') return { path: `/ingest/${subscription}`, kind: 'order' }
  const path = `/api/v1/app/${DEFAULT_APP}/msg`
  const token = await createTokens(hs256(JWT_SECRET), Date).sign({ sub: DEFAULT_ORG }, Date.now() + 86_400_000)
  await expectStatus(
    await fetch(`http://127.0.0.1:${gateway.port}/api/v1/app/${DEFAULT_APP}`, {
      headers: { authorization: `Bearer ${token}` },
    }),
    200,
  )
  return { path, kind: 'svix', token }
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
