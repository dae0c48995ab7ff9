/** What is stored of first answers, and that repeats get them all the same. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import type { Answer } from '../acceptance/gateway.ts'
import { newTenant, startSvixGateway } from './sdk-gateway.ts'

type Rows = { body: string }[]

function storedAnswers(
  start: () => Promise<{ environment: NodeJS.ProcessEnv; answers: (path: string) => Promise<Rows> }>,
): void {
  async function world() {
    const { environment, answers } = await start()
    let passedMs = 0
    const clock = { ...systemClock, now: () => systemClock.now() + passedMs }
    const gateway = await startSvixGateway(environment, undefined, { clock })
    const tenant = newTenant(gateway)
    await tenant.svix.application.create({ name: 'App', uid: 'app' })
    const post = (path: string, json: unknown, key = 'once'): Promise<Answer> =>
      tenant.send(path, { method: 'POST', json, headers: { 'idempotency-key': key } })
    return {
      tenant,
      post,
      pass: (ms: number) => void (passedMs += ms),
      // The client makes keys of its own.
      answers: async () => (await answers(gateway.databasePath)).filter(({ body }) => !body.includes('"uid":"app"')),
      [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
    }
  }

  test.each([
    ['everything', '', { eventId: 'evt-1', channels: ['b', 'a'], tags: ['t1', 't2'] }],
    ['nothing else', '', {}],
    ['no content in the answer', '?with_content=false', {}],
    ['another delivered payload', '', { transformationsParams: { rawPayload: 'raw' } }],
  ])('a message with %s is answered alike, and its payload is stored once', async (_, query, more) => {
    await using of = await world()
    const payload = { text: 'unmistakable '.repeat(50), n: 1.5, nested: { a: null } }
    const path = `/app/app/msg${query}`
    const body = { eventType: 'user.created', payload, ...more }
    const first = await of.post(path, body)
    expect(first.status).toBe(202)
    const again = await of.post(path, { ...body, payload: { other: true } })
    expect([again.status, again.text]).toEqual([first.status, first.text])
    const [answer, ...others] = await of.answers()
    expect(others).toEqual([])
    expect(answer!.body).not.toContain('unmistakable')
    expect(answer!.body.length).toBeLessThan(200)
  })

  test('the payload of a message comes back as it was written', async () => {
    await using of = await world()
    const json = '{"eventType":"a.b","payload":{ "n": 1.00, "big": 12345678901234567890, "u": "\\u00e9" }}'
    const send = () =>
      of.tenant.send('/app/app/msg', {
        method: 'POST',
        body: json,
        headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
      })
    const [first, again] = [await send(), await send()]
    expect(first.text).toContain('{ "n": 1.00, "big": 12345678901234567890, "u": "\\u00e9" }')
    expect(again.text).toBe(first.text)
  })

  test('a message whose payload was expunged meanwhile is answered without it', async () => {
    await using of = await world()
    const first = (await of.post('/app/app/msg', { eventType: 'a', payload: { secret: 1 } })).json<{ id: string }>()
    await of.tenant.svix.message.expungeContent('app', first.id)
    const again = await of.post('/app/app/msg', { eventType: 'a', payload: { secret: 1 } })
    expect([again.status, again.json()]).toEqual([202, { ...first, payload: { expired: true } }])
  })

  test('a portal token is the same again, also later, and is not stored', async () => {
    await using of = await world()
    const path = '/auth/app-portal-access/app'
    const body = { featureFlags: ['beta'], capabilities: ['ViewBase'], expiry: 3_600 }
    const first = await of.post(path, body)
    const other = await of.post(path, body, 'another key')
    of.pass(60_000)
    const again = await of.post(path, body)
    expect([again.status, again.text]).toEqual([200, first.text])
    expect(other.status).toBe(200)
    const { token } = first.json<{ token: string }>()
    const bodies = (await of.answers()).map((answer) => answer.body)
    expect(bodies).toHaveLength(2)
    // Of header, claims and signature, the first two are no secret.
    for (const stored of bodies) for (const part of token.split('.').slice(1)) expect(stored).not.toContain(part)
    const listed = await of.tenant.send('/app/app/endpoint', { headers: { authorization: `Bearer ${token}` } })
    expect(listed.status).toBe(200)
  })
}

describe('SQLite', () => {
  storedAnswers(async () => ({
    environment: {},
    answers: async (path) => {
      using db = new DatabaseSync(path, { readOnly: true })
      return db.prepare('SELECT body FROM answer').all() as Rows
    },
  }))
})

describe.skipIf(missingPostgres() !== null)('PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ fsync: 'on' })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  storedAnswers(async () => {
    const url = await server.createDatabase()
    return { environment: { DATABASE_URL: url }, answers: () => server.sql(url, 'SELECT body FROM answer') }
  })
})
