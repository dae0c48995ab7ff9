import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { Encryption } from '../../src/domain/encryption.ts'
import { secretPlace } from '../../src/store/secret-text.ts'
import { readKeyFile } from '../../src/store/sqlite/key-file.ts'
import { type Issue, startGateway, type Subscription } from './gateway.ts'

const gateway = await startGateway()
afterAll(() => gateway[Symbol.asyncDispose]())

const TARGET = 'http://127.0.0.1:9/hook'
const UNKNOWN = 'ep_2p1dTq0vAc3m5n7R9sXyZbCdEfG'

const EVERYTHING = {
  target_url: `${TARGET}?team=a`,
  secret: 'a secret of the owner',
  event_types: ['order.created', 'user.*'],
  description: 'orders of team a',
  enabled: true,
  headers: { 'X-Team': 'a', Authorization: 'Bearer abc' },
  rate_limit: 50,
  timeout: '5s',
  retry_schedule: ['10s', '1m'],
}

const read = (id: string) => gateway.ask<Subscription>(`/subscriptions/${id}`)
const secretOf = async (id: string) =>
  (await gateway.ask<{ secret: string | null }>(`/subscriptions/${id}/secret`)).secret
const edit = (method: 'PUT' | 'PATCH', id: string, json: unknown) =>
  gateway.ask<Subscription>(`/subscriptions/${id}`, { method, json })

/** The places that a refusal names, as `body.headers.X-Team`. */
async function refusedPlaces(method: string, path: string, json?: unknown): Promise<string[]> {
  const answer = await gateway.send(path, { method, ...(json !== undefined && { json }) })
  expect(answer.status).toBe(422)
  const { detail, code } = answer.json<{ detail: Issue[]; code: string }>()
  expect(code).toBe('validation')
  for (const issue of detail)
    expect(issue).toEqual({ loc: issue.loc, msg: expect.any(String), type: expect.any(String) })
  return detail.map((issue) => issue.loc.join('.')).sort()
}

describe('a header that authenticates', () => {
  const AUTHORIZATION = 'Bearer of the owner'
  /** What is stored, as the database has it: no answer shows it. */
  function stored(id: string): unknown {
    using database = new DatabaseSync(gateway.databasePath, { readOnly: true })
    const headers = String(database.prepare('SELECT headers FROM endpoint WHERE id = ?').get(id)?.['headers'])
    const encryption = new Encryption(readKeyFile(gateway.databasePath), randomBytes)
    return JSON.parse(encryption.decrypt(headers, secretPlace(id, 'headers')))
  }

  test('is not shown again, and stays when what was read is sent back', async () => {
    const made = await gateway.subscribe({ target_url: TARGET, headers: { Authorization: AUTHORIZATION, 'X-A': '1' } })
    const { data } = await gateway.ask<{ data: Subscription[] }>('/subscriptions?limit=250')
    const listed = data.find(({ id }) => id === made.id)
    const got = await read(made.id)
    for (const shown of [made, got, listed, await edit('PUT', made.id, got), await edit('PATCH', made.id, got)])
      expect(shown?.headers).toEqual({ Authorization: '(hidden)', 'X-A': '1' })
    expect(stored(made.id)).toEqual({ Authorization: AUTHORIZATION, 'X-A': '1' })
    await edit('PATCH', made.id, { headers: { authorization: '(hidden)', 'X-A': null } })
    expect(stored(made.id)).toEqual({ authorization: AUTHORIZATION })
    await edit('PUT', made.id, { target_url: TARGET, headers: { Authorization: 'Bearer new' } })
    expect(stored(made.id)).toEqual({ Authorization: 'Bearer new' })
  })

  test('cannot begin hidden', async () => {
    const json = { target_url: TARGET, headers: { Authorization: '(hidden)' } }
    const place = ['body.headers.Authorization']
    expect(await refusedPlaces('POST', '/subscriptions', json)).toEqual(place)
    const { id } = await gateway.subscribe({ target_url: TARGET })
    expect(await refusedPlaces('PUT', `/subscriptions/${id}`, json)).toEqual(place)
    expect(await refusedPlaces('PATCH', `/subscriptions/${id}`, json)).toEqual(place)
  })
})

describe('a new subscription', () => {
  test('is answered with every setting, and read back the same', async () => {
    const answer = await gateway.send('/subscriptions', { json: EVERYTHING })
    const subscription = answer.json<Subscription>()
    const { secret, ...rest } = EVERYTHING
    const shown = { ...rest, headers: { 'X-Team': 'a', Authorization: '(hidden)' } }
    expect(answer.status).toBe(201)
    expect(answer.headers.location).toBe(`/subscriptions/${subscription.id}`)
    expect(subscription).toMatchObject({ ...shown, has_secret: true, disabled_reason: null })
    expect(subscription.id).toMatch(/^ep_[0-9A-Za-z]{27}$/)
    expect(Date.now() - Date.parse(subscription.created_at)).toBeLessThan(10_000)
    expect(subscription.updated_at).toBe(subscription.created_at)
    expect(await read(subscription.id)).toEqual(subscription)
    expect(await secretOf(subscription.id)).toBe(secret)
  })

  test('needs nothing but a target', async () => {
    const subscription = await gateway.subscribe({ target_url: TARGET })
    expect(subscription).toMatchObject({
      target_url: TARGET,
      event_types: [],
      description: '',
      enabled: true,
      headers: {},
      rate_limit: null,
      timeout: null,
      retry_schedule: null,
      has_secret: false,
    })
    expect(await secretOf(subscription.id)).toBeNull()
  })

  test('shows the public key of an Ed25519 secret, and of no other', async () => {
    const bytes = 'fVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
    const pair = `whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMb${bytes}`
    const publicKey = `whpk_${Buffer.from(pair.slice(5), 'base64').subarray(32).toString('base64')}`
    const { id } = await gateway.subscribe({ target_url: TARGET, secret: pair })
    expect(await read(id)).toMatchObject({ public_key: publicKey, has_secret: true })
    expect(JSON.stringify(await read(id))).not.toContain('whsk_')
    expect(await edit('PATCH', id, { secret: 'an HMAC secret' })).toMatchObject({ public_key: null, has_secret: true })
    expect(await edit('PATCH', id, { secret: null })).toMatchObject({ public_key: null, has_secret: false })
  })

  test('shows its secret at /secret and nowhere else', async () => {
    const { id } = await gateway.subscribe({ target_url: TARGET, secret: 'seen-only-there' })
    const answers = await Promise.all([
      gateway.send(`/subscriptions/${id}`),
      gateway.send('/subscriptions?limit=250'),
      gateway.send(`/subscriptions/${id}`, { method: 'PATCH', json: { secret: 'seen-only-there' } }),
      gateway.send(`/subscriptions/${id}`, { method: 'PUT', json: { target_url: TARGET, secret: 'seen-only-there' } }),
      gateway.send(`/subscriptions/${id}/attempts`),
    ])
    for (const { status, text } of answers) {
      expect(status).toBe(200)
      expect(text).not.toContain('seen-only-there')
    }
    expect(await secretOf(id)).toBe('seen-only-there')
    expect(JSON.stringify(gateway.log)).not.toContain('seen-only-there')
  })

  test('may name a retry schedule, and what was shown may be sent back', async () => {
    const subscription = await gateway.subscribe({ target_url: TARGET, retry_schedule: 'svix' })
    expect(subscription.retry_schedule).toHaveLength(7)
    for (const method of ['PUT', 'PATCH'] as const) {
      const again = await edit(method, subscription.id, { ...subscription, id: 'ep_other' })
      expect({ ...again, updated_at: null }).toEqual({ ...subscription, updated_at: null })
    }
  })
})

describe('PUT', () => {
  test('replaces: what is absent goes back to its default, but the secret is kept', async () => {
    const before = await gateway.subscribe(EVERYTHING)
    const after = await edit('PUT', before.id, { target_url: 'http://127.0.0.1:9/other' })
    expect(after).toMatchObject({
      id: before.id,
      target_url: 'http://127.0.0.1:9/other',
      event_types: [],
      description: '',
      enabled: true,
      headers: {},
      rate_limit: null,
      timeout: null,
      retry_schedule: null,
      has_secret: true,
      created_at: before.created_at,
    })
    expect(after.updated_at > before.updated_at).toBe(true)
    expect(await read(before.id)).toEqual(after)
    expect(await secretOf(before.id)).toBe(EVERYTHING.secret)
  })

  test('removes the secret when it is null, and needs a target', async () => {
    const { id } = await gateway.subscribe(EVERYTHING)
    expect(await refusedPlaces('PUT', `/subscriptions/${id}`, { secret: null })).toEqual(['body.target_url'])
    expect(await secretOf(id)).toBe(EVERYTHING.secret)
    expect(await edit('PUT', id, { target_url: TARGET, secret: null })).toMatchObject({ has_secret: false })
    expect(await secretOf(id)).toBeNull()
  })
})

describe('PATCH', () => {
  test('changes what it mentions and nothing else', async () => {
    const before = await gateway.subscribe(EVERYTHING)
    for (const change of [{ description: 'new' }, { enabled: false }, { rate_limit: 7 }, { event_types: ['a.b'] }]) {
      const known = await read(before.id)
      const { updated_at, disabled_reason, ...rest } = await edit('PATCH', before.id, change)
      const { updated_at: was, disabled_reason: reason, ...expected } = { ...known, ...change }
      expect(rest).toEqual(expected)
      expect(updated_at > was).toBe(true)
      expect([reason, disabled_reason]).toContain('enabled' in change || !known.enabled ? 'owner' : null)
    }
    expect(await secretOf(before.id)).toBe(EVERYTHING.secret)
    const unchanged = await edit('PATCH', before.id, {})
    expect(unchanged).toMatchObject({ description: 'new', enabled: false, rate_limit: 7, event_types: ['a.b'] })
  })

  test('unsets with null', async () => {
    const { id } = await gateway.subscribe({ ...EVERYTHING, enabled: false })
    const nothing = Object.fromEntries(Object.keys(EVERYTHING).map((member) => [member, null]))
    const { target_url: _, ...all } = nothing
    expect(await edit('PATCH', id, all)).toMatchObject({
      target_url: EVERYTHING.target_url,
      event_types: [],
      description: '',
      enabled: true,
      headers: {},
      rate_limit: null,
      timeout: null,
      retry_schedule: null,
      has_secret: false,
    })
    expect(await refusedPlaces('PATCH', `/subscriptions/${id}`, { target_url: null })).toEqual(['body.target_url'])
  })

  test('merges headers one by one, whatever the case of their names', async () => {
    const { id } = await gateway.subscribe({ target_url: TARGET, headers: { 'X-A': '1', 'X-B': '2', 'X-C': '3' } })
    const { headers } = await edit('PATCH', id, { headers: { 'x-a': 'one', 'X-B': null, 'X-D': '4' } })
    expect(headers).toEqual({ 'x-a': 'one', 'X-C': '3', 'X-D': '4' })
  })

  test('makes no more headers than a subscription may have', async () => {
    const named = (prefix: string, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}-${i}`, 'v']))
    const { id } = await gateway.subscribe({ target_url: TARGET, headers: named('X-A', 50) })
    const path = `/subscriptions/${id}`
    expect(await refusedPlaces('PATCH', path, { headers: { 'X-B': '1' } })).toEqual(['body.headers'])
    const { headers } = await edit('PATCH', id, { headers: { 'X-B': '1', 'x-a-0': '2', 'X-A-1': null } })
    expect(Object.keys(headers)).toHaveLength(50)
  })

  test('at the same time as others undoes none of them', async () => {
    const { id } = await gateway.subscribe({ target_url: TARGET })
    const changes = [
      { description: 'd' },
      { rate_limit: 3 },
      { timeout: '3s' },
      { event_types: ['x'] },
      { headers: { a: 'b' } },
    ]
    await Promise.all(changes.map((change) => edit('PATCH', id, change)))
    expect(await read(id)).toMatchObject(Object.assign({}, ...changes))
  })

  test('in a crowd is either made or refused as a conflict', async () => {
    const { id } = await gateway.subscribe({ target_url: TARGET })
    const names = Array.from({ length: 40 }, (_, i) => `x-${i}`)
    const patch = (name: string) =>
      gateway.send(`/subscriptions/${id}`, { method: 'PATCH', json: { headers: { [name]: 'v' } } })
    const statuses = await Promise.all(names.map(async (name) => (await patch(name)).status))
    expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([])
    const made = names.filter((_, i) => statuses[i] === 200)
    expect(Object.keys((await read(id)).headers).sort()).toEqual(made.sort())
  })
})

describe('the list', () => {
  test('is paged, counted and filtered, oldest first', async () => {
    await using other = await startGateway()
    const created: Subscription[] = []
    for (let i = 0; i < 5; i++)
      created.push(await other.subscribe({ target_url: TARGET, description: `${i}`, enabled: i % 2 === 0 }))
    const list = async (query: string) => {
      const page = await other.ask<{ data: Subscription[]; total: number }>(`/subscriptions${query}`)
      return { ...page, data: page.data.map((subscription) => subscription.description).join('') }
    }
    expect(await list('')).toEqual({ data: '01234', total: 5, limit: 50, offset: 0 })
    expect(await list('?limit=2&offset=1&unknown=1')).toEqual({ data: '12', total: 5, limit: 2, offset: 1 })
    expect(await list('?offset=5')).toEqual({ data: '', total: 5, limit: 50, offset: 5 })
    expect(await list('?enabled=true')).toEqual({ data: '024', total: 3, limit: 50, offset: 0 })
    expect(await list('/?enabled=false&limit=1')).toEqual({ data: '1', total: 2, limit: 1, offset: 0 })
    await other.send(`/subscriptions/${created[0]?.id}`, { method: 'DELETE' })
    expect(await list('?enabled=true')).toMatchObject({ data: '24', total: 2 })
  })

  test('refuses parameters that are out of range, all at once', async () => {
    expect(await refusedPlaces('GET', '/subscriptions?limit=0&offset=-1&enabled=maybe')).toEqual([
      'query.enabled',
      'query.limit',
      'query.offset',
    ])
    expect(await refusedPlaces('GET', '/subscriptions?limit=1.5&limit=2')).toEqual(['query.limit'])
    expect(await refusedPlaces('GET', '/subscriptions?limit=251&offset=1e3')).toEqual(['query.limit', 'query.offset'])
  })
})

test('DELETE answers 204 without a body, and afterwards the subscription is unknown', async () => {
  const { id } = await gateway.subscribe({ target_url: TARGET })
  const answer = await gateway.send(`/subscriptions/${id}/`, { method: 'DELETE' })
  expect([answer.status, answer.bytes.length]).toEqual([204, 0])
  expect((await gateway.send(`/subscriptions/${id}`, { method: 'DELETE' })).status).toBe(404)
  expect((await gateway.send(`/subscriptions/${id}`)).status).toBe(404)
})

test.each([
  ['of nobody', UNKNOWN],
  ['too short', 'ep_1'],
  ['no id', 'nonsense'],
  ['of a message', 'msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG'],
  ['far too long', 'x'.repeat(8_000)],
])('an id that is %s is a 404 on every route', async (_name, id) => {
  const answers = await Promise.all([
    gateway.send(`/subscriptions/${id}`),
    gateway.send(`/subscriptions/${id}/secret`),
    gateway.send(`/subscriptions/${id}/attempts`),
    gateway.send(`/subscriptions/${id}`, { method: 'DELETE' }),
    gateway.send(`/subscriptions/${id}`, { method: 'PUT', json: { target_url: TARGET } }),
    gateway.send(`/subscriptions/${id}`, { method: 'PATCH', json: {} }),
  ])
  for (const answer of answers) {
    expect(answer.status).toBe(404)
    expect(answer.json()).toEqual({ detail: 'There is no such subscription.', code: 'subscription_not_found' })
  }
})
