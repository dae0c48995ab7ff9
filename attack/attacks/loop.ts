import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Gateway, JWT_SECRET, startGateway, within } from '../../bench/processes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'
import type { Attack, AttackSettings, Check } from '../attack.ts'

const MAX_HOPS = 5
const DEADLINE_MS = 60_000
/** A loop would have gone on by then: a round takes a few milliseconds. */
const QUIET_MS = 1_000
const SECRET = 'the secret of both sides'

/** Subscriptions and endpoints that lead back to a gateway, each by another way. */
export const loop: Attack = {
  about: `subscriptions that deliver to the gateway itself, and to one that sends everything back; MAX_HOPS=${MAX_HOPS}`,
  async run(settings) {
    const one = await open(settings, 'one')
    const other = await open(settings, 'other')
    return [await itself(one), await fanOut(one), await backAndForth(one, other), await resends(one)]
  },
}

interface Target {
  url: string
  file: string
}

async function open({ folder, logFile }: AttackSettings, name: string): Promise<Target> {
  const file = join(folder, `${name}.db`)
  const environment = { MAX_HOPS: String(MAX_HOPS), RETRY_SCHEDULE: '10ms,10ms' }
  const gateway: Gateway = await startGateway({ databaseUrl: `sqlite:${file}`, logFile, nodeOptions: [], environment })
  return { url: `http://127.0.0.1:${gateway.port}`, file }
}

async function ask<T>(url: string, json: unknown, headers: Record<string, string> = {}, method = 'POST'): Promise<T> {
  const init: RequestInit = { method, headers }
  if (method !== 'DELETE') init.body = typeof json === 'string' ? json : JSON.stringify(json)
  const answer = await fetch(url, init)
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`)
  return (text === '' ? null : JSON.parse(text)) as T
}

function count(file: string, table: 'msg' | 'attempt'): number {
  using db = new DatabaseSync(file, { readOnly: true })
  return Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
}

/** How many messages and attempts there are once there are no new ones; far too many are not waited for. */
async function rest(targets: readonly Target[]): Promise<{ messages: number; attempts: number; ended: boolean }> {
  const seen = () => ({
    messages: targets.reduce((sum, { file }) => sum + count(file, 'msg'), 0),
    attempts: targets.reduce((sum, { file }) => sum + count(file, 'attempt'), 0),
  })
  let last = seen()
  const ended = await within(DEADLINE_MS, async () => {
    await sleep(QUIET_MS)
    const before = last
    last = seen()
    return (before.messages === last.messages && before.attempts === last.attempts) || last.messages > 10_000
  })
  return { ...last, ended }
}

async function measured(what: string, targets: Target[], messages: number, act: () => Promise<void>): Promise<Check> {
  const before = await rest(targets)
  await act()
  const after = await rest(targets)
  const made = after.messages - before.messages
  return {
    what: `${what}: ${made} messages out of one event (${messages} are promised), ${after.attempts - before.attempts} attempts`,
    holds: after.ended && made === messages,
  }
}

const subscribe = (on: Target, settings: object): Promise<{ id: string }> => ask(`${on.url}/subscriptions`, settings)
const unsubscribe = (on: Target, id: string) => ask(`${on.url}/subscriptions/${id}`, null, {}, 'DELETE')

/** Signed, so that each delivery carries the signature that the ingest wants. */
const itself = (one: Target): Promise<Check> =>
  measured('one signed subscription to its own ingest', [one], 1 + MAX_HOPS, async () => {
    const { id } = await subscribe(one, { target_url: one.url, secret: SECRET })
    await ask(`${one.url}/subscriptions/${id}`, { target_url: `${one.url}/ingest/${id}` }, {}, 'PATCH')
    const signature = `sha256=${createHmac('sha256', SECRET).update('{}').digest('hex')}`
    await ask(`${one.url}/ingest/${id}`, '{}', { 'x-hub-signature-256': signature })
    await rest([one])
    await unsubscribe(one, id)
  })

const fanOut = (one: Target): Promise<Check> =>
  measured('two subscriptions to the ingest for all', [one], 1 + MAX_HOPS, async () => {
    const made = await Promise.all([1, 2].map(() => subscribe(one, { target_url: `${one.url}/ingest` })))
    await ask(`${one.url}/ingest?event_type=loop`, '{}')
    await rest([one])
    for (const { id } of made) await unsubscribe(one, id)
  })

const backAndForth = (one: Target, other: Target): Promise<Check> =>
  measured('two gateways that deliver to each other', [one, other], 1 + MAX_HOPS, async () => {
    const { id } = await subscribe(one, { target_url: `${other.url}/ingest` })
    await subscribe(other, { target_url: `${one.url}/ingest` })
    await ask(`${one.url}/ingest?event_type=loop`, '{}')
    await rest([one, other])
    await unsubscribe(one, id)
  })

/** No message is made by a resend, so that its number of hops would stay the same for ever. */
async function resends(one: Target): Promise<Check> {
  const token = await createTokens(hs256(JWT_SECRET), systemClock).sign({ sub: 'org_loop' }, Date.now() + 3_600_000)
  const authorization = `Bearer ${token}`
  const api = `${one.url}/api/v1/app`
  await ask(api, { name: 'Loop', uid: 'loop' }, { authorization })
  await ask(`${api}/loop/endpoint`, { url: one.url, uid: 'self', headers: { authorization } }, { authorization })
  const url = `${api}/loop/msg/again/endpoint/self/resend`
  await ask(`${api}/loop/endpoint/self`, { url }, { authorization }, 'PATCH')
  const before = count(one.file, 'attempt')
  await ask(`${api}/loop/msg`, { eventType: 'a', eventId: 'again', payload: {} }, { authorization })
  const { attempts, ended } = await rest([one])
  return {
    what: `an endpoint that asks for the resend of its own message: ${attempts - before} attempts (1 is promised)`,
    holds: ended && attempts - before === 1,
  }
}
