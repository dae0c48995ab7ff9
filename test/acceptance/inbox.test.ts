import { createHmac, createHash } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, eventually, type Gateway, soon, startGateway } from './gateway.ts'
import {
  find,
  inboxMessage,
  inboxRows,
  list,
  post,
  refused,
  SECRET,
  sign,
  stats,
  take,
  webhookLines,
} from './inbox-gateway.ts'

const OK = { status: 'ok' }
const INVALID_SIGNATURE = { detail: 'invalid signature' }

const gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
afterAll(() => gateway[Symbol.asyncDispose]())

/** The log line of the request that got this answer. */
async function lineOf({ log }: Gateway, answer: Answer) {
  const id = answer.headers['x-request-id']
  return eventually(() => log.find((line) => line['request_id'] === id && line['msg'] === 'request'))
}

describe('a message', () => {
  test('is answered with ok, and is a row with what was sent and the time that it came', async () => {
    const message = inboxMessage({ text: 'Grüße 👋🏽' })
    const began = Date.now()
    const answer = await post(gateway, message)
    expect([answer.status, answer.text]).toEqual([200, '{"status":"ok"}'])
    const row = inboxRows(gateway).find((one) => one.message_id === message.message_id)
    expect(row).toEqual({
      message_id: message.message_id,
      from_msisdn: message.from,
      to_msisdn: message.to,
      ts: message.ts,
      text: message.text,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
    expect(Date.parse(row!.created_at)).toBeGreaterThanOrEqual(began)
    expect(Date.parse(row!.created_at)).toBeLessThanOrEqual(Date.now())
    expect((await list(gateway, { q: '👋🏽' })).data).toEqual([message])
  })

  test('may be sent again, and stays the one that came first', async () => {
    const first = inboxMessage({ from: '+1001', text: 'the first one' })
    const later = { ...first, from: '+1002', to: '+1', ts: '2020-01-01T00:00:00Z', text: 'changed' }
    expect((await post(gateway, first)).json()).toEqual(OK)
    const counted = await stats(gateway)
    const before = [inboxRows(gateway), gateway.rows()]
    for (const again of [first, later, JSON.stringify(first, null, 2)]) {
      const answer = await post(gateway, again)
      expect([answer.status, answer.text]).toEqual([200, '{"status":"ok"}'])
    }
    expect([inboxRows(gateway), gateway.rows()]).toEqual(before)
    expect(await stats(gateway)).toEqual(counted)
    expect((await list(gateway, { from: '+1001' })).data).toEqual([first])
    expect(await find(gateway, { from: '+1002' })).toEqual([])
  })

  test('that was sent before is refused all the same when the second one is wrong', async () => {
    const message = inboxMessage()
    await take(gateway, message)
    expect((await refused(gateway, { body: JSON.stringify(message) })).status).toBe(401)
    const wrong = JSON.stringify({ ...message, ts: 'yesterday' })
    expect((await refused(gateway, { body: wrong, headers: { 'x-signature': sign(wrong) } })).status).toBe(422)
  })

  test('may come at /webhook/, with unknown members, and as whatever media type', async () => {
    const message = inboxMessage()
    const body = JSON.stringify({ ...message, profile: { name: 'A' } })
    expect((await gateway.send('/webhook/', { body, headers: { 'x-signature': sign(body) } })).json()).toEqual(OK)
    expect((await find(gateway, {})).filter((id) => id === message.message_id)).toHaveLength(1)
    for (const type of [
      undefined,
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json;;',
      'json',
      ' ',
    ]) {
      const headers = type === undefined ? {} : { 'content-type': type }
      expect((await post(gateway, inboxMessage(), headers)).status).toBe(200)
      expect((await refused(gateway, { body, headers })).json()).toEqual(INVALID_SIGNATURE)
    }
  })
})

describe('a signature', () => {
  test('is hex in lower, upper or mixed case', async () => {
    for (const write of [
      (hex: string) => hex,
      (hex: string) => hex.toUpperCase(),
      (hex: string) => hex.replace(/[a-f]/, (digit) => digit.toUpperCase()),
    ]) {
      const body = JSON.stringify(inboxMessage())
      expect((await post(gateway, body, { 'x-signature': write(sign(body)) })).status).toBe(200)
    }
  })

  test('covers the bytes of the body, however its JSON is written', async () => {
    const { message_id: id, ...rest } = inboxMessage()
    const spaced = `\r\n\t{ "message_id" : "\\u006d\\/${id}", ${JSON.stringify(rest).slice(1, -1)} , "x": 1e2 }\n\n`
    expect((await post(gateway, spaced)).status).toBe(200)
    expect(await find(gateway, {})).toContain(`m/${id}`)
  })

  const body = JSON.stringify(inboxMessage({ message_id: 'forged', text: 'é' }))
  const good = sign(body)
  const of = (signature: string | string[] | undefined, sent: string | Buffer = body) => ({
    body: sent,
    headers: signature === undefined ? {} : { 'x-signature': signature },
  })

  test.each([
    ['is missing', of(undefined)],
    ['is empty', of('')],
    ['is no hex', of('123')],
    ['is hex of another secret', of(sign(body, 'testsecre'))],
    ['is hex of the empty secret', of(sign(body, ''))],
    ['has another digit', of(good.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')))],
    ['lacks a digit', of(good.slice(0, -1))],
    ['has a digit too many', of(`${good}0`)],
    ['has a prefix', of(`sha256=${good}`)],
    ['is base64', of(createHmac('sha256', SECRET).update(body).digest('base64'))],
    ['is another digest', of(createHmac('sha512', SECRET).update(body).digest('hex'))],
    ['needs no secret', of(createHash('sha256').update(body).digest('hex'))],
    ['stands in the header twice', of([good, good])],
    ['stands in the header beside a wrong one', of([sign('x'), good])],
    ['is of a body without the last space', of(good, `${body} `)],
    ['is of other bytes that mean the same', of(good, body.replace('é', '\\u00e9'))],
    ['is of the same text in other bytes', of(good, Buffer.from(body, 'latin1'))],
    ['is of no body', of(sign(''), body)],
  ])('that %s is answered 401, stores nothing, and is an error in the log', async (_, sending) => {
    const answer = await refused(gateway, sending)
    expect([answer.status, answer.text]).toEqual([401, '{"detail":"invalid signature"}'])
    const line = await lineOf(gateway, answer)
    expect(line).toMatchObject({ level: 'ERROR', status: 401, dup: false, result: 'invalid_signature' })
    expect(line).not.toHaveProperty('message_id')
  })

  test('in the query, or in a header that means something elsewhere, is none', async () => {
    const query = await gateway.send(`/webhook?x-signature=${good}`, { body })
    expect([query.status, query.json()]).toEqual([401, INVALID_SIGNATURE])
    const headers = { 'x-hub-signature-256': `sha256=${good}`, authorization: good, 'webhook-signature': good }
    expect((await refused(gateway, { body, headers })).status).toBe(401)
  })

  test('is checked before anything that the body says', async () => {
    for (const invalid of ['', 'not JSON', '{}', Buffer.of(0xff)]) {
      expect((await refused(gateway, { body: invalid })).status).toBe(401)
      expect((await refused(gateway, { body: invalid, headers: { 'x-signature': sign(invalid) } })).status).toBe(422)
    }
  })

  test('is made with the UTF-8 bytes of the secret', async () => {
    const secret = 'gehëim 🔑'
    await using other = await startGateway({ WEBHOOK_SECRET: secret })
    const message = JSON.stringify(inboxMessage())
    const key = Buffer.from(secret)
    const signature = createHmac('sha256', key).update(message).digest('hex')
    expect((await post(other, message, { 'x-signature': signature })).status).toBe(200)
    const latin = createHmac('sha256', Buffer.from(secret, 'latin1')).update(message).digest('hex')
    expect((await post(other, message, { 'x-signature': latin })).status).toBe(401)
  })
})

describe.each([undefined, ''])('without WEBHOOK_SECRET (%j)', (secret) => {
  test('nothing is taken, whatever its signature, and the gateway is alive but not ready', async () => {
    await using other = await startGateway({ WEBHOOK_SECRET: secret })
    const body = JSON.stringify(inboxMessage())
    for (const signature of [sign(body, ''), sign(body), undefined]) {
      const answer = await refused(other, {
        body,
        headers: signature === undefined ? {} : { 'x-signature': signature },
      })
      expect(answer.status).toBe(503)
      expect(answer.json()).toEqual({
        detail: expect.stringContaining('WEBHOOK_SECRET'),
        code: 'webhook_secret_missing',
      })
      expect(answer.headers['retry-after']).toMatch(/^\d+$/)
    }
    const ready = await other.send('/health/ready')
    expect([ready.status, ready.json<{ detail: string }>().detail]).toEqual([503, 'WEBHOOK_SECRET is not set'])
    expect((await other.send('/health/live')).status).toBe(200)
    expect(await list(other)).toMatchObject({ total: 0 })
  })
})

describe('the log', () => {
  test('says of every delivery what became of it, of other methods only the status, and tells no secret', async () => {
    await using other = await startGateway({ WEBHOOK_SECRET: SECRET, MAX_BODY: '1kb' })
    const body = JSON.stringify(
      inboxMessage({ message_id: 'logged', from: '+4915112345678', text: 'for your eyes only' }),
    )
    const long = JSON.stringify(inboxMessage({ text: 'x'.repeat(1_024) }))
    const wrong = JSON.stringify({ ...inboxMessage(), message_id: 'logged', ts: null, text: 'for your eyes only' })
    await post(other, body)
    await post(other, body)
    await post(other, body, { 'x-signature': sign('') })
    await post(other, wrong)
    await post(other, '{"message_id":7,"text":"for your eyes only"}')
    await post(other, long)
    await other.send('/webhook')
    await soon(() => webhookLines(other.log)).toHaveLength(7)
    const outcomes = webhookLines(other.log).map((line) => [
      line['status'],
      line['message_id'],
      line['dup'],
      line['result'],
    ])
    expect(outcomes).toEqual([
      [200, 'logged', false, 'created'],
      [200, 'logged', true, 'duplicate'],
      [401, undefined, false, 'invalid_signature'],
      [422, 'logged', false, 'validation_error'],
      [422, undefined, false, 'validation_error'],
      [413, undefined, false, 'error'],
      [405, undefined, undefined, undefined],
    ])
    for (const line of webhookLines(other.log))
      expect(line).toMatchObject({
        ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: line['status'] === 401 ? 'ERROR' : 'INFO',
        request_id: expect.any(String),
        method: line['status'] === 405 ? 'GET' : 'POST',
        latency_ms: expect.any(Number),
      })
    const written = JSON.stringify(other.log)
    for (const secret of [SECRET, sign(body), sign(''), 'for your eyes only', '4915112345678'])
      expect(written).not.toContain(secret)
  })
})

test('a management key guards /messages and /stats, and /webhook and the probes need none', async () => {
  const keys = ['a management key', 'another-key'].map((key) => key.replaceAll(' ', '-'))
  await using other = await startGateway({ WEBHOOK_SECRET: SECRET, API_KEY: keys.join(','), HOST: '127.0.0.1' })
  await take(other, inboxMessage())
  for (const path of ['/health/live', '/health/ready', '/metrics']) expect((await other.send(path)).status).toBe(200)
  for (const path of ['/messages', '/messages/', '/messages?limit=0', '/stats']) {
    for (const authorization of [
      undefined,
      '',
      keys[0]!,
      `Bearer ${keys[0]!}x`,
      `Basic ${keys[0]!}`,
      `Bearer ${SECRET}`,
    ]) {
      const answer = await other.send(path, { headers: authorization === undefined ? {} : { authorization } })
      expect([path, answer.status, answer.headers['www-authenticate']]).toEqual([path, 401, 'Bearer'])
      expect(answer.json()).toMatchObject({ code: 'unauthorized' })
    }
  }
  for (const key of keys) {
    other.headers = { authorization: `Bearer ${key}` }
    expect(await list(other)).toMatchObject({ total: 1 })
    expect(await stats(other)).toMatchObject({ total_messages: 1 })
  }
  other.headers = { authorization: `Bearer ${keys[0]!}` }
  expect((await refused(other, { body: JSON.stringify(inboxMessage()) })).json()).toEqual(INVALID_SIGNATURE)
})
