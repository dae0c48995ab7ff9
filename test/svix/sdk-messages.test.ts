/** The official JavaScript client, unchanged: messages, what became of them, and what receivers verify. */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { MessageAttemptTriggerType, messageInRaw, MessageStatus, StatusCodeClass, Webhook } from 'svix'
import { afterAll, describe, expect, test } from 'vitest'
import { soon } from '../acceptance/gateway.ts'
import { type Hook, type Received, startReceiver } from '../acceptance/receiver.ts'
import { newTenant, refusal, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

/** An organization with one application. */
async function newApp() {
  const { svix } = newTenant(gateway)
  const { id: app } = await svix.application.create({ name: 'Messages' })
  return { svix, app }
}

async function nth(hook: Hook, n: number): Promise<Received> {
  await soon(() => hook.received.length).toBeGreaterThanOrEqual(n)
  return hook.received[n - 1]!
}

const headersOf = ({ headers }: Received) => headers as Record<string, string>
const isVerified = (secret: string, request: Received): boolean => {
  try {
    new Webhook(secret).verify(request.body.toString(), headersOf(request))
    return true
  } catch {
    return false
  }
}

describe('a message', () => {
  test('is the same object from create, get and the list, and reaches its endpoint signed', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    const endpoint = await svix.endpoint.create(app, { url: hook.url, channels: ['eu'] })
    const { key } = await svix.endpoint.getSecret(app, endpoint.id)
    const payload = { n: 1, text: 'Zoë', list: [null, true, 1.5] }
    const settings = { eventType: 'user.created', eventId: 'evt-1', channels: ['eu', 'us'], tags: ['vip'] }
    const created = await svix.message.create(app, { ...settings, payload }, { withContent: true })
    expect(created).toMatchObject({ ...settings, payload, id: expect.stringMatching(/^msg_[0-9A-Za-z]{27}$/) })
    expect(await svix.message.get(app, created.id, { withContent: true })).toStrictEqual(created)
    expect(await svix.message.get(app, 'evt-1', { withContent: true })).toStrictEqual(created)
    expect((await svix.message.list(app, { withContent: true })).data).toStrictEqual([created])
    const bare = { ...created, payload: {} }
    expect(await svix.message.get(app, created.id)).toStrictEqual(bare)
    expect((await svix.message.list(app)).data).toStrictEqual([bare])

    const request = await nth(hook, 1)
    expect(request.body.toString()).toBe(JSON.stringify(payload))
    expect(request.headers).toMatchObject({ 'svix-id': created.id, 'content-type': 'application/json' })
    expect(isVerified(key, request)).toBe(true)
    expect(isVerified(`whsec_${Buffer.alloc(24).toString('base64')}`, request)).toBe(false)
    await expect(svix.message.create(app, { ...settings, payload })).rejects.toEqual(
      refusal(409, { code: 'conflict', detail: expect.any(String) }),
    )
    await expect(svix.message.get(app, 'evt-2')).rejects.toEqual(refusal(404))
  })

  test('with a raw payload is delivered as exactly that text', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    const { id } = await svix.endpoint.create(app, { url: hook.url })
    const raw = '{ "b":1.0,\n "a" : 1e5 } and more'
    const message = await svix.message.create(app, messageInRaw('raw', raw), { withContent: true })
    expect(message.payload).toEqual({})
    expect(await svix.message.get(app, message.id, { withContent: true })).toStrictEqual(message)
    const request = await nth(hook, 1)
    expect(request.body.toString()).toBe(raw)
    expect(isVerified((await svix.endpoint.getSecret(app, id)).key, request)).toBe(true)
  })

  test('brings its application along where there is none, which it names by uid', async () => {
    const { svix } = newTenant(gateway)
    const message = { eventType: 'first', payload: { n: 1 } }
    const application = { name: 'On the fly', uid: 'fly' }
    await expect(svix.message.create('fly', message)).rejects.toEqual(
      refusal(404, { code: 'not_found', detail: 'Application not found' }),
    )
    for (const [uid, type] of [
      [null, 'application_uid_missing'],
      ['other', 'application_uid_mismatch'],
    ] as const)
      await expect(svix.message.create('fly', { ...message, application: { ...application, uid } })).rejects.toEqual(
        refusal(422, { detail: [expect.objectContaining({ type })] }),
      )
    const { id } = await svix.message.create('fly', { ...message, application })
    expect(await svix.application.get('fly')).toMatchObject(application)
    const second = await svix.message.create('fly', { ...message, application: { ...application, name: 'Ignored' } })
    expect((await svix.message.list('fly')).data.map((one) => one.id)).toEqual([second.id, id])
    expect((await svix.application.list()).data.map((one) => one.name)).toEqual(['On the fly'])
  })

  test('keeps its payload for as many days as it says', async () => {
    const { svix, app } = await newApp()
    const message = { eventType: 'kept', payload: {} }
    const { id } = await svix.message.create(app, { ...message, payloadRetentionPeriod: 5 })
    using database = new DatabaseSync(gateway.databasePath, { readOnly: true })
    const row = database.prepare('SELECT expires_at - received_at AS ms FROM msg WHERE id = ?').get(id)
    expect(row).toEqual({ ms: 5 * 86_400_000 })
    for (const payloadRetentionPeriod of [4, 91])
      await expect(svix.message.create(app, { ...message, payloadRetentionPeriod })).rejects.toEqual(refusal(422))
  })

  test('with deliverAt is delivered then', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    await svix.endpoint.create(app, { url: hook.url })
    const deliverAt = new Date(Date.now() + 700)
    const message = { eventType: 'later', payload: {} }
    await svix.message.create(app, { ...message, deliverAt })
    expect((await nth(hook, 1)).at).toBeGreaterThanOrEqual(deliverAt.getTime())
    await svix.message.create(app, { ...message, deliverAt: new Date(0) })
    await nth(hook, 2)
    const tooLate = new Date(Date.now() + 31 * 86_400_000)
    await expect(svix.message.create(app, { ...message, deliverAt: tooLate })).rejects.toEqual(refusal(422))
  })

  test('shows its deliverAt wherever it is shown, and to repeats of its request', async () => {
    const { svix, app } = await newApp()
    const { id: endpoint } = await svix.endpoint.create(app, { url: receiver.hook().url })
    const deliverAt = new Date(Date.now() + 200)
    const send = () =>
      svix.message.create(app, { eventType: 'later', payload: {}, deliverAt }, { idempotencyKey: 'one' })
    const sent = await send()
    expect(sent.deliverAt).toEqual(deliverAt)
    expect(await send()).toEqual(sent)
    expect(await svix.message.get(app, sent.id)).toEqual(sent)
    expect((await svix.message.list(app)).data).toEqual([sent])
    const attempted = async () => (await svix.messageAttempt.listAttemptedMessages(app, endpoint)).data
    await soon(async () => (await attempted()).map((one) => one.deliverAt)).toEqual([deliverAt])
  })

  test('loses its payload when it is expunged, and cannot be sent again', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    const { id: endpoint } = await svix.endpoint.create(app, { url: hook.url })
    const { id } = await svix.message.create(app, { eventType: 'secret', payload: { hidden: 1 } })
    await soon(async () => (await svix.messageAttempt.listByMsg(app, id)).data.length).toBe(1)
    await svix.message.expungeContent(app, id)
    expect((await svix.message.get(app, id, { withContent: true })).payload).toEqual({ expired: true })
    expect((await svix.message.get(app, id)).payload).toEqual({})
    await expect(svix.messageAttempt.resend(app, id, endpoint)).rejects.toEqual(
      refusal(400, { code: 'missing_payload', detail: expect.any(String) }),
    )
    await expect(svix.message.expungeContent(app, 'msg_unknown')).rejects.toEqual(
      refusal(404, { code: 'not_found', detail: 'Message not found' }),
    )
  })
})

describe('a receiver', () => {
  test('can verify with the old and the new secret while both are valid', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    const { id } = await svix.endpoint.create(app, { url: hook.url })
    const secret = async () => (await svix.endpoint.getSecret(app, id)).key
    const keys = [await secret()]
    for (const gracePeriodSeconds of [3_600, 3_600, 0]) {
      await svix.endpoint.rotateSecret(app, id, { gracePeriodSeconds })
      keys.push(await secret())
      await svix.message.create(app, { eventType: 'rotated', payload: {} })
      await nth(hook, keys.length - 1)
    }
    const table = hook.received.map((request) => keys.map((key) => isVerified(key, request)))
    expect(table).toEqual([
      [true, true, false, false],
      [true, true, true, false],
      // The third one was replaced without overlap; those before it have their time still.
      [true, true, false, true],
    ])
    expect(headersOf(hook.received[0]!)['svix-signature']!.split(' ')).toHaveLength(2)
    expect(new Webhook(keys[1]!).sign('m', new Date(0), 'x')).toMatch(/^v1,/)
  })

  test('of an endpoint with a whsk_ secret verifies with the public key that is shown', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    const { privateKey } = generateKeyPairSync('ed25519')
    const { d, x } = privateKey.export({ format: 'jwk' })
    const pair = Buffer.concat([Buffer.from(d!, 'base64url'), Buffer.from(x!, 'base64url')])
    const { id } = await svix.endpoint.create(app, { url: hook.url, secret: `whsk_${pair.toString('base64')}` })
    const { key } = await svix.endpoint.getSecret(app, id)
    expect(key).toBe(`whpk_${pair.subarray(32).toString('base64')}`)
    await svix.message.create(app, { eventType: 'asymmetric', payload: { n: 1 } })
    const request = await nth(hook, 1)
    const headers = headersOf(request)
    const [version, signature] = headers['svix-signature']!.split(',')
    expect(version).toBe('v1a')
    const signed = `${headers['svix-id']}.${headers['svix-timestamp']}.${request.body.toString()}`
    const raw = Buffer.from(key.replace('whpk_', ''), 'base64').toString('base64url')
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw }, format: 'jwk' })
    expect(verify(null, Buffer.from(signed), publicKey, Buffer.from(signature!, 'base64'))).toBe(true)
  })
})

describe('attempts', () => {
  test('tell what became of a message at each endpoint', async () => {
    const { svix, app } = await newApp()
    const hooks = [
      receiver.hook({ status: 201, body: 'thanks' }),
      receiver.hook({ status: 503, body: 'busy' }),
    ] as const
    const [fine, failing] = [
      await svix.endpoint.create(app, { url: hooks[0].url, metadata: { a: 'b' } }),
      await svix.endpoint.create(app, { url: hooks[1].url, uid: 'failing' }),
    ] as const
    const message = await svix.message.create(app, { eventType: 'tried', eventId: 'e1', payload: { n: 1 } })
    await soon(async () => (await svix.messageAttempt.listByMsg(app, message.id)).data.length).toBe(4)
    await soon(async () => (await svix.endpoint.getStats(app, 'failing')).fail).toBe(1)

    const [success, ...more] = (await svix.messageAttempt.listByEndpoint(app, fine.id, { withContent: true })).data
    expect(more).toEqual([])
    expect(success).toMatchObject({
      id: expect.stringMatching(/^atmpt_[0-9A-Za-z]{27}$/),
      url: fine.url,
      endpointId: fine.id,
      msgId: message.id,
      response: 'thanks',
      responseStatusCode: 201,
      responseDurationMs: expect.any(Number),
      status: MessageStatus.Success,
      statusText: 'success',
      triggerType: MessageAttemptTriggerType.Scheduled,
    })
    expect(await svix.messageAttempt.get(app, 'e1', success!.id)).toStrictEqual(success)
    const list = (options: Parameters<typeof svix.messageAttempt.listByMsg>[2]) =>
      svix.messageAttempt.listByMsg(app, message.id, options)
    expect((await list({ endpointId: fine.id, withContent: true })).data).toStrictEqual([success])
    expect((await list({ endpointId: fine.id })).data).toStrictEqual([{ ...success, response: '{}' }])
    expect((await list({ status: MessageStatus.Success })).data).toHaveLength(1)
    expect((await list({ status: MessageStatus.Fail })).data.map((one) => one.endpointId)).toEqual(
      Array.from({ length: 3 }, () => failing.id),
    )
    expect((await list({ statusCodeClass: StatusCodeClass.Code5xx })).data).toHaveLength(3)
    expect((await list({ statusCodeClass: StatusCodeClass.Code4xx })).data).toHaveLength(0)
    await expect(list({ endpointId: 'unknown' })).rejects.toEqual(refusal(404))

    const { metadata: _, ...common } = fine
    const { data: destinations } = await svix.messageAttempt.listAttemptedDestinations(app, message.id)
    expect(destinations).toEqual([
      expect.objectContaining({ id: common.id, url: common.url, status: 0, statusText: 'success', nextAttempt: null }),
      expect.objectContaining({ id: failing.id, uid: 'failing', status: 2, statusText: 'fail', nextAttempt: null }),
    ])
    const attempted = await svix.messageAttempt.listAttemptedMessages(app, 'failing', { withContent: true })
    expect(attempted.data).toEqual([
      expect.objectContaining({ id: message.id, eventId: 'e1', payload: { n: 1 }, status: 2, statusText: 'fail' }),
    ])

    await svix.messageAttempt.expungeContent(app, message.id, success!.id)
    expect(await svix.messageAttempt.get(app, message.id, success!.id)).toEqual({ ...success, response: 'EXPUNGED' })
    await expect(svix.messageAttempt.expungeContent(app, message.id, 'atmpt_unknown')).rejects.toEqual(
      refusal(404, { code: 'not_found', detail: 'Message attempt not found' }),
    )
  })

  test('are made once more by resend', async () => {
    const { svix, app } = await newApp()
    const hook = receiver.hook()
    const { id: endpoint } = await svix.endpoint.create(app, { url: hook.url })
    const { id } = await svix.message.create(app, { eventType: 'again', payload: { n: 1 } })
    await soon(async () => (await svix.messageAttempt.listByMsg(app, id)).data.length).toBe(1)
    expect(await svix.messageAttempt.resend(app, id, endpoint)).toEqual({})
    await soon(async () => (await svix.messageAttempt.listByMsg(app, id)).data.length).toBe(2)
    const [latest] = (await svix.messageAttempt.listByMsg(app, id)).data
    expect(latest).toMatchObject({ triggerType: MessageAttemptTriggerType.Manual, statusText: 'success' })
    expect(hook.received.map(({ headers }) => headers['svix-id'])).toEqual([id, id])
    await expect(svix.messageAttempt.resend(app, 'unknown', endpoint)).rejects.toEqual(refusal(404))
  })
})
