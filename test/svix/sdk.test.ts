/** The official JavaScript client, unchanged, through everything but messages (`sdk-messages.test.ts`). */
import { AppPortalCapability, Ordering, Svix } from 'svix'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newTenant, refusal, startSvixGateway } from './sdk-gateway.ts'

const gateway = await startSvixGateway()
afterAll(() => gateway[Symbol.asyncDispose]())

const URL_1 = 'http://127.0.0.1:9/one'
const NOT_FOUND = refusal(404, { code: 'not_found', detail: expect.any(String) })
const FORBIDDEN = refusal(403, {
  code: 'insufficient access',
  detail: 'Insufficient access for the given operation.',
})

describe('applications', () => {
  const { svix } = newTenant(gateway)

  test('are the same object from create, get, getOrCreate and the list, by id and by uid', async () => {
    const settings = { name: 'Zoë & Söhne', uid: 'customer-1', throttleRate: 20, metadata: { plan: 'große' } }
    const created = await svix.application.create(settings)
    expect(created).toMatchObject({ ...settings, id: expect.stringMatching(/^app_[0-9A-Za-z]{27}$/) })
    expect(created.createdAt).toEqual(created.updatedAt)
    expect(await svix.application.get(created.id)).toStrictEqual(created)
    expect(await svix.application.get('customer-1')).toStrictEqual(created)
    expect(await svix.application.getOrCreate({ ...settings, name: 'Another' })).toStrictEqual(created)
    const bare = await svix.application.getOrCreate({ name: 'Bare' })
    expect(bare).toMatchObject({ name: 'Bare', throttleRate: null, metadata: {} })
    expect(bare.uid).toBeUndefined()
    const page = await svix.application.list()
    expect(page).toEqual({
      data: [created, bare],
      iterator: bare.id,
      prevIterator: `-${created.id}`,
      done: true,
    })
    expect((await svix.application.list({ order: Ordering.Descending })).data).toStrictEqual([bare, created])
    await expect(svix.application.create(settings)).rejects.toEqual(
      refusal(409, { code: 'conflict', detail: 'An application with that id or uid already exists' }),
    )
  })

  test('are replaced as a whole by upsert and in parts by patch', async () => {
    const { id } = await svix.application.create({ name: 'Old', uid: 'old', throttleRate: 5, metadata: { a: 'b' } })
    const patched = await svix.application.patch(id, { name: 'New', throttleRate: null })
    expect(patched).toMatchObject({ id, name: 'New', uid: 'old', throttleRate: null, metadata: { a: 'b' } })
    expect(await svix.application.get('old')).toStrictEqual(patched)
    const replaced = await svix.application.upsert('old', { name: 'Newest', uid: 'newest' })
    expect(replaced).toMatchObject({ id, name: 'Newest', uid: 'newest', throttleRate: null, metadata: {} })
    expect(replaced.createdAt).toEqual(patched.createdAt)
    expect(replaced.updatedAt.getTime()).toBeGreaterThan(patched.updatedAt.getTime())
    expect(await svix.application.get(id)).toStrictEqual(replaced)
    await expect(svix.application.get('old')).rejects.toEqual(NOT_FOUND)

    const created = await svix.application.upsert('nobody-has-this', { name: 'Made by upsert' })
    expect(created.uid).toBeUndefined()
    expect(created.id).not.toBe(id)
    await expect(svix.application.patch('nobody-has-this', { name: 'x' })).rejects.toEqual(NOT_FOUND)
  })

  test('are gone once deleted, and their uid is free again', async () => {
    const { id } = await svix.application.create({ name: 'Gone', uid: 'gone' })
    await svix.application.delete('gone')
    for (const call of [
      () => svix.application.get(id),
      () => svix.application.get('gone'),
      () => svix.application.delete(id),
    ])
      await expect(call()).rejects.toEqual(NOT_FOUND)
    const again = await svix.application.create({ name: 'Back', uid: 'gone' })
    expect(again.id).not.toBe(id)
    expect((await svix.application.list()).data.map((one) => one.id)).not.toContain(id)
  })
})

describe('endpoints', () => {
  const { svix } = newTenant(gateway)
  beforeAll(async () => {
    await svix.application.create({ name: 'Endpoints', uid: 'a' })
    for (const name of ['user.created', 'user.deleted']) await svix.eventType.create({ name, description: name })
  })

  test('are the same object from create, get and the list', async () => {
    const settings = {
      url: 'https://Example.com/hook?x=1',
      description: 'Everything about users',
      uid: 'ep-1',
      throttleRate: 7,
      eventTypes: ['user.created', 'user.deleted'],
      channels: ['eu', 'us'],
      metadata: { team: 'blue' },
    }
    const created = await svix.endpoint.create('a', { ...settings, headers: { 'X-Team': 'blue' } })
    expect(created).toMatchObject({ ...settings, url: 'https://example.com/hook?x=1', disabled: false })
    expect(await svix.endpoint.get('a', created.id)).toStrictEqual(created)
    expect(await svix.endpoint.get('a', 'ep-1')).toStrictEqual(created)
    expect(await svix.endpoint.getHeaders('a', 'ep-1')).toEqual({ headers: { 'X-Team': 'blue' }, sensitive: [] })
    const bare = await svix.endpoint.create('a', { url: URL_1 })
    expect(bare).toMatchObject({ uid: null, throttleRate: null, eventTypes: null, channels: null, description: '' })
    expect((await svix.endpoint.list('a')).data).toStrictEqual([bare, created])
    expect((await svix.endpoint.list('a', { order: Ordering.Ascending })).data).toStrictEqual([created, bare])
    await expect(svix.endpoint.create('a', settings)).rejects.toEqual(refusal(409))
    await expect(svix.endpoint.create('a', { url: URL_1, eventTypes: ['no.such', 'user.created'] })).rejects.toEqual(
      refusal(422, {
        detail: [
          {
            loc: ['body', 'eventTypes'],
            msg: "The following event types don't exist: no.such",
            type: 'value_error',
          },
        ],
      }),
    )
  })

  test('are replaced by upsert, which keeps the secret, changed in parts by patch, and deleted', async () => {
    const { id } = await svix.endpoint.create('a', { url: URL_1, uid: 'u', channels: ['c'], metadata: { a: 'b' } })
    const { key } = await svix.endpoint.getSecret('a', id)
    const patched = await svix.endpoint.patch('a', 'u', { disabled: true, eventTypes: ['user.created'] })
    expect(patched).toMatchObject({ id, disabled: true, eventTypes: ['user.created'], channels: ['c'] })
    expect(await svix.endpoint.patch('a', 'u', { channels: null, uid: null })).toMatchObject({
      uid: null,
      channels: null,
      disabled: true,
    })
    const replaced = await svix.endpoint.upsert('a', id, { url: `${URL_1}/new` })
    expect(replaced).toMatchObject({ id, url: `${URL_1}/new`, disabled: false, eventTypes: null, metadata: {} })
    expect(await svix.endpoint.get('a', id)).toStrictEqual(replaced)
    expect(await svix.endpoint.getSecret('a', id)).toEqual({ key })
    const other = await svix.endpoint.upsert('a', 'unknown-uid', { url: URL_1 })
    expect(other.id).not.toBe(id)
    expect(other.uid).toBeNull()

    await svix.endpoint.delete('a', id)
    await expect(svix.endpoint.get('a', id)).rejects.toEqual(NOT_FOUND)
    await expect(svix.endpoint.delete('a', id)).rejects.toEqual(NOT_FOUND)
    expect((await svix.endpoint.list('a')).data.map((one) => one.id)).not.toContain(id)
  })

  test('have headers, of which those that authenticate are named and not shown', async () => {
    const { id } = await svix.endpoint.create('a', { url: URL_1 })
    const headers = () => svix.endpoint.getHeaders('a', id)
    await svix.endpoint.setHeaders('a', id, { headers: { 'X-One': '1', 'X-Two': '2', Authorization: 'secret' } })
    expect(await headers()).toEqual({ headers: { 'X-One': '1', 'X-Two': '2' }, sensitive: ['Authorization'] })
    await svix.endpoint.patchHeaders('a', id, { headers: { 'X-Two': 'two', 'X-Three': '3' }, deleteHeaders: ['X-One'] })
    expect(await headers()).toEqual({ headers: { 'X-Two': 'two', 'X-Three': '3' }, sensitive: ['Authorization'] })
    await svix.endpoint.setHeaders('a', id, { headers: {} })
    expect(await headers()).toEqual({ headers: {}, sensitive: [] })
    await expect(svix.endpoint.setHeaders('a', id, { headers: { 'svix-id': 'mine' } })).rejects.toEqual(refusal(422))
  })

  test('have no more headers than 50, also by changes', async () => {
    const { id } = await svix.endpoint.create('a', { url: URL_1 })
    const patch = (headers: Record<string, string>, deleteHeaders: string[] = []) =>
      svix.endpoint.patchHeaders('a', id, { headers, deleteHeaders })
    await patch(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x-${i}`, 'v'])))
    await expect(patch({ another: '1' })).rejects.toEqual(refusal(422))
    await patch({ another: '1', 'X-1': 'set' }, ['X-0', 'x-1'])
    const { headers } = await svix.endpoint.getHeaders('a', id)
    expect(Object.keys(headers)).toHaveLength(50)
    expect(headers).toMatchObject({ another: '1', 'X-1': 'set' })
  })

  test('have the secret that they were given, or one of 24 bytes', async () => {
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
    const { id } = await svix.endpoint.create('a', { url: URL_1, secret })
    expect(await svix.endpoint.getSecret('a', id)).toEqual({ key: secret })
    const { key } = await svix.endpoint.getSecret('a', (await svix.endpoint.create('a', { url: URL_1 })).id)
    expect(Buffer.from(key.replace(/^whsec_/, ''), 'base64')).toHaveLength(24)
    await svix.endpoint.rotateSecret('a', id)
    expect((await svix.endpoint.getSecret('a', id)).key).not.toBe(secret)
    await svix.endpoint.rotateSecret('a', id, { key, gracePeriodSeconds: 0 })
    expect(await svix.endpoint.getSecret('a', id)).toEqual({ key })
  })
})

test('event types are created, changed, archived, brought back and removed', async () => {
  const { svix } = newTenant(gateway)
  const schemas = { '1': { title: 'Paid', type: 'object', examples: [{ n: 1 }] } }
  const settings = { name: 'invoice.paid', description: 'An invoice was paid', schemas, groupName: 'invoice' }
  const created = await svix.eventType.create({ ...settings, featureFlags: ['beta'], deprecated: true })
  expect(created).toMatchObject({ ...settings, archived: false, deprecated: true, featureFlags: ['beta'] })
  expect(await svix.eventType.get('invoice.paid')).toStrictEqual(created)
  expect((await svix.eventType.list({ withContent: true })).data).toStrictEqual([created])
  expect((await svix.eventType.list()).data).toEqual([{ ...created, schemas: null }])
  await expect(svix.eventType.create(settings)).rejects.toEqual(
    refusal(409, { code: 'event_type_exists', detail: 'An event_type with this name already exists' }),
  )

  const patched = await svix.eventType.patch('invoice.paid', { description: 'Paid', featureFlags: null })
  expect(patched).toMatchObject({ description: 'Paid', schemas, groupName: 'invoice', featureFlags: [] })
  const replaced = await svix.eventType.upsert('invoice.paid', { description: 'Anew' })
  expect(replaced).toMatchObject({ description: 'Anew', schemas: null, deprecated: false, groupName: null })
  expect(await svix.eventType.get('invoice.paid')).toStrictEqual(replaced)
  expect(await svix.eventType.upsert('a.new.one', { description: '' })).toMatchObject({ name: 'a.new.one' })

  await svix.eventType.delete('invoice.paid')
  expect(await svix.eventType.get('invoice.paid')).toMatchObject({ archived: true })
  const names = async (includeArchived: boolean) =>
    (await svix.eventType.list({ includeArchived })).data.map((one) => one.name)
  expect([await names(false), await names(true)]).toEqual([['a.new.one'], ['a.new.one', 'invoice.paid']])
  const back = await svix.eventType.create({ name: 'invoice.paid', description: 'Back' })
  expect(back).toMatchObject({ archived: false, description: 'Back', schemas: null })
  expect(await svix.eventType.get('invoice.paid')).toStrictEqual(back)

  await svix.eventType.delete('invoice.paid', { expunge: true })
  await expect(svix.eventType.get('invoice.paid')).rejects.toEqual(NOT_FOUND)
  await expect(svix.eventType.delete('invoice.paid', { expunge: true })).rejects.toEqual(NOT_FOUND)
  expect(await names(true)).toEqual(['a.new.one'])
})

describe('a portal token', () => {
  const { svix } = newTenant(gateway)
  const access = async (options: Parameters<typeof svix.authentication.appPortalAccess>[1] = {}) => {
    const { url, token } = await svix.authentication.appPortalAccess('portal', options)
    expect(url).toBe(`http://localhost:${new URL(gateway.url).port}/docs`)
    return new Svix(token, { serverUrl: gateway.url, retryScheduleInMs: [] })
  }
  const claimsOf = ({ token }: { token: string }) =>
    JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { exp: number; iat: number }
  beforeAll(async () => {
    await svix.eventType.create({ name: 'all', description: '' })
    await svix.eventType.create({ name: 'few', description: '', featureFlags: ['few'] })
    await svix.authentication.appPortalAccess('portal', { application: { name: 'Made for the portal', uid: 'portal' } })
    await svix.application.create({ name: 'Another', uid: 'other' })
  })

  test('manages the endpoints of its application and nothing else', async () => {
    const portal = await access()
    const endpoint = await portal.endpoint.create('portal', { url: URL_1, eventTypes: ['all'] })
    expect(await svix.endpoint.get('portal', endpoint.id)).toStrictEqual(endpoint)
    expect(await portal.application.get('portal')).toMatchObject({ name: 'Made for the portal' })
    await portal.endpoint.rotateSecret('portal', endpoint.id)
    await portal.endpoint.delete('portal', endpoint.id)
    await expect(portal.application.list()).rejects.toEqual(FORBIDDEN)
    await expect(portal.message.create('portal', { eventType: 'all', payload: {} })).rejects.toEqual(FORBIDDEN)
    await expect(portal.endpoint.list('other')).rejects.toEqual(NOT_FOUND)
  })

  test('that is read-only reads, also the secret, and changes nothing', async () => {
    const { id } = await svix.endpoint.create('portal', { url: URL_1 })
    const portal = await access({ readOnly: true })
    expect((await portal.endpoint.get('portal', id)).id).toBe(id)
    expect(await portal.endpoint.getSecret('portal', id)).toEqual(await svix.endpoint.getSecret('portal', id))
    await expect(portal.endpoint.patch('portal', id, { disabled: true })).rejects.toEqual(FORBIDDEN)
    await expect(portal.endpoint.rotateSecret('portal', id)).rejects.toEqual(FORBIDDEN)
    await expect(portal.endpoint.recover('portal', id, { since: new Date() })).rejects.toEqual(FORBIDDEN)
  })

  test('with capabilities has those alone', async () => {
    const { id } = await svix.endpoint.create('portal', { url: URL_1 })
    const portal = await access({ capabilities: [AppPortalCapability.ViewBase, AppPortalCapability.ManageEndpoint] })
    expect(await portal.endpoint.patch('portal', id, { description: 'mine' })).toMatchObject({ description: 'mine' })
    await expect(portal.endpoint.getSecret('portal', id)).rejects.toEqual(FORBIDDEN)
  })

  test('sees the event types of its feature flags', async () => {
    const seen = async (featureFlags: string[]) => {
      const portal = await access({ featureFlags })
      return (await portal.eventType.list()).data.map((one) => one.name)
    }
    expect([await seen([]), await seen(['few']), await seen(['none'])]).toEqual([['all'], ['all', 'few'], ['all']])
    await expect((await access()).eventType.get('few')).rejects.toEqual(NOT_FOUND)
    expect(await (await access({ featureFlags: ['few'] })).eventType.get('few')).toMatchObject({ name: 'few' })
  })

  test('ends when it was asked to, or after four weeks', async () => {
    const lifetime = async (options: { expiry?: number }) => {
      const { exp, iat } = claimsOf(await svix.authentication.appPortalAccess('portal', options))
      return exp - iat
    }
    expect([await lifetime({ expiry: 3_600 }), await lifetime({})]).toEqual([3_600, 28 * 86_400])
    await expect(svix.authentication.appPortalAccess('portal', { expiry: 60 })).rejects.toEqual(refusal(422))
  })

  test('cannot be logged out', async () => {
    const body: unknown = expect.stringContaining('"not_implemented"')
    await expect((await access()).authentication.logout()).rejects.toEqual(refusal(501, body))
  })
})

test('the health check answers without a token', async () => {
  const { health } = new Svix('nobody', { serverUrl: gateway.url, retryScheduleInMs: [] })
  await expect(health.get()).resolves.not.toThrow()
})
