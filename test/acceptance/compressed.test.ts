/** Compressed bodies: what a sender means is what was in them, and what it signs is what it sends. */
import { createHmac } from 'node:crypto'
import * as zlib from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { type Accepted, type Sending, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway({ MAX_BODY: '64kb' })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const sha256 = (key: string, bytes: Buffer) => createHmac('sha256', key).update(bytes).digest('hex')
const EVENT = '{"text": "Grüße",  "n": 1.0}'

const WAYS: [string, (bytes: Buffer) => Buffer][] = [
  ['gzip', zlib.gzipSync],
  ['x-gzip', zlib.gzipSync],
  ['GZip', zlib.gzipSync],
  ['deflate', zlib.deflateSync],
  ['deflate', zlib.deflateRawSync],
  ['br', zlib.brotliCompressSync],
  ['zstd', zlib.zstdCompressSync],
  ['identity', (bytes) => bytes],
  ['', (bytes) => bytes],
  ['gzip, br', (bytes) => zlib.brotliCompressSync(zlib.gzipSync(bytes))],
  ['identity,deflate , zstd', (bytes) => zlib.zstdCompressSync(zlib.deflateSync(bytes))],
]

test.each(WAYS)(
  'a body with the coding %j is verified as it came, and stored and delivered as it was',
  async (name, compress) => {
    const hook = receiver.hook()
    const { id } = await gateway.subscribe({ target_url: hook.url, secret: 's' })
    const body = compress(Buffer.from(EVENT))
    const headers = {
      'content-encoding': name,
      'content-type': 'application/json',
      'x-hub-signature-256': `sha256=${sha256('s', body)}`,
    }
    const accepted = await gateway.ask<Accepted>(`/ingest/${id}`, { method: 'POST', body, headers })
    await soon(() => hook.received.map((request) => request.body.toString())).toEqual([EVENT])
    expect(hook.received[0]?.headers).not.toHaveProperty('content-encoding')
    expect((await gateway.send(`/deliveries/${accepted.id}/payload`)).text).toBe(EVENT)

    const ofTheText = { ...headers, 'x-hub-signature-256': `sha256=${sha256('s', Buffer.from(EVENT))}` }
    const refused = await gateway.send(`/ingest/${id}`, { method: 'POST', body, headers: ofTheText })
    expect(refused.status).toBe(body.toString() === EVENT ? 202 : 401)
  },
)

describe('every door that takes events', () => {
  const gzip = { 'content-encoding': 'gzip' }

  test('inflates: the inbox', async () => {
    const message = { message_id: 'z1', from: '+1', to: '+2', ts: '2025-01-15T10:00:00Z', text: 'compressed' }
    const body = zlib.gzipSync(JSON.stringify(message))
    const headers = { ...gzip, 'x-signature': sha256('the inbox secret', body) }
    expect((await gateway.send('/webhook', { body, headers })).status).toBe(200)
    expect((await gateway.send('/messages?q=compressed')).json()).toMatchObject({ data: [message] })
  })

  test('inflates: notifications, and the data of a CloudEvent', async () => {
    const body = zlib.gzipSync('[{"id":"z1","type":"a"},{"id":"z2","type":"a"}]')
    expect((await gateway.send('/notifications', { body, headers: gzip })).json()).toMatchObject({ accepted: 2 })
    const ce = { 'ce-specversion': '1.0', 'ce-id': 'z', 'ce-source': '/', 'ce-type': 'a' }
    const data = zlib.gzipSync('{"n":1}')
    const answer = await gateway.send('/notifications', { body: data, headers: { ...gzip, ...ce } })
    const { messages } = answer.json<{ messages: { id: string }[] }>()
    expect((await gateway.send(`/deliveries/${messages[0]?.id}/payload`)).text).toContain('"data":{"n":1}')
  })

  test('inflates: all subscriptions', async () => {
    const answer = await gateway.send('/ingest?event_type=a', { body: zlib.gzipSync('{}'), headers: gzip })
    expect(answer.status).toBe(202)
  })
})

describe('is refused, and nothing kept', async () => {
  const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
  async function refusal(path: string, sending: Sending) {
    const before = gateway.rows()
    const answer = await gateway.send(path, { method: 'POST', ...sending })
    expect(gateway.rows()).toEqual(before)
    return { status: answer.status, ...answer.json<{ code: string; detail: unknown }>() }
  }

  test.each(['compress', 'gzip;q=1', 'gzip, gzip, gzip, gzip', 'constructor', 'aes128gcm'])(
    'the coding %s, which the answer says',
    async (coding) => {
      const headers = { 'content-encoding': coding }
      for (const path of [`/ingest/${id}`, '/webhook', '/notifications', '/ingest'])
        expect(await refusal(path, { body: '{}', headers })).toMatchObject({
          status: 415,
          code: 'unsupported_encoding',
          detail: expect.stringContaining('Content-Encoding') as string,
        })
    },
  )

  test.each([['/subscriptions'], ['/api/v1/app']])('a compressed body at %s, which takes none', async (path) => {
    const refused = await refusal(path, { body: zlib.gzipSync('{}'), headers: { 'content-encoding': 'gzip' } })
    expect(refused).toMatchObject({ status: 415, detail: expect.stringContaining('Content-Encoding') as string })
    expect((await gateway.send('/stats', { headers: { 'content-encoding': 'gzip' } })).status).toBe(200)
  })

  test.each<[string, string, Buffer]>([
    ['no gzip', 'gzip', Buffer.from('{"n":1}')],
    ['cut off', 'gzip', zlib.gzipSync(EVENT).subarray(0, -9)],
    ['cut off', 'br', zlib.brotliCompressSync(EVENT).subarray(0, -4)],
    ['nothing', 'gzip', Buffer.alloc(0)],
    ['gzip', 'zstd', zlib.gzipSync(EVENT)],
    ['a zstd frame that asks for too much memory', 'zstd', Buffer.from('28b52ffd00880100005b5d', 'hex')],
  ])('what is %s though it says %s', async (_name, coding, body) => {
    const refused = await refusal(`/ingest/${id}`, { body, headers: { 'content-encoding': coding } })
    expect(refused.status).toBe(422)
    expect(refused.detail).toMatchObject([{ loc: ['header', 'Content-Encoding'], type: 'encoding_invalid' }])
  })

  test('what is not JSON once it is inflated', async () => {
    const refused = await refusal(`/ingest/${id}`, {
      body: zlib.gzipSync('{'),
      headers: { 'content-encoding': 'gzip' },
    })
    expect(refused).toMatchObject({ status: 422, detail: [{ loc: ['body'], type: 'json_invalid' }] })
  })

  test('a small body that becomes more than MAX_BODY, in one step or in several', async () => {
    const text = Buffer.from(JSON.stringify('x'.repeat(65_534)))
    expect(text.length).toBe(65_536)
    const bombs: [string, Buffer][] = [
      ['gzip', zlib.gzipSync(Buffer.concat([text, Buffer.from(' ')]))],
      ['gzip', zlib.gzipSync(Buffer.alloc(40 * 1_048_576))],
      ['br', zlib.brotliCompressSync(Buffer.alloc(40 * 1_048_576))],
      ['zstd', zlib.zstdCompressSync(Buffer.alloc(40 * 1_048_576))],
      ['gzip, gzip', zlib.gzipSync(zlib.gzipSync(Buffer.alloc(40 * 1_048_576)))],
    ]
    for (const [coding, body] of bombs) {
      expect(body.length).toBeLessThan(65_536)
      const refused = await refusal(`/ingest/${id}`, { body, headers: { 'content-encoding': coding } })
      expect(refused).toMatchObject({ status: 413, code: 'body_too_large' })
    }
    const headers = { 'content-encoding': 'gzip' }
    expect((await gateway.send(`/ingest/${id}`, { body: zlib.gzipSync(text), headers })).status).toBe(202)
  })

  test('a bomb without a signature, before anything is inflated', async () => {
    const signed = await gateway.subscribe({ target_url: receiver.hook().url, secret: 's' })
    const headers = { 'content-encoding': 'gzip' }
    const bomb = zlib.gzipSync(Buffer.alloc(10 * 1_048_576))
    expect((await refusal(`/ingest/${signed.id}`, { body: bomb, headers })).status).toBe(401)
    expect((await refusal('/webhook', { body: Buffer.from('no gzip'), headers })).status).toBe(401)
  })
})
