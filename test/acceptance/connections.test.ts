import { once } from 'node:events'
import type { Socket } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { createFakeClock } from '../fake-clock.ts'
import { type Gateway, soon, startGateway } from './gateway.ts'
import { metrics } from './inbox-gateway.ts'
import { begin, closeAll, connectTo, get, readAll, sendRaw } from './raw-socket.ts'

const gateway = await startGateway({ MAX_PIPELINED: '8' })
afterAll(async () => {
  closeAll()
  await gateway[Symbol.asyncDispose]()
})

const BUNDLE = '/docs/static/swagger-ui-bundle.js'

const closed = async (at: Gateway, reason: string) =>
  (await metrics(at, 'hookferry_connections_closed_total'))[`reason=${reason}`]

const gauge = async (at: Gateway, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await at.send('/metrics')).text)?.[1])

const linesOf = (at: Gateway, path: string) => at.log.filter((line) => line['path'] === path)

describe('requests that wait on one connection', () => {
  test('are answered in order as long as they are few', async () => {
    const socket = await connectTo(gateway.url)
    const answers = readAll(socket)
    socket.write(get('/health/live').repeat(7) + get('/nowhere').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    const statuses = [...(await answers).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    expect(statuses).toEqual([...Array<string>(7).fill('200'), '404'])
  })

  test('are not more than MAX_PIPELINED: with one more the connection is cut, and each has at most its line', async () => {
    const before = await closed(gateway, 'pipelined')
    const socket = await connectTo(gateway.url)
    socket.pause()
    socket.write(get('/openapi.json?many').repeat(500))
    await soon(() => closed(gateway, 'pipelined')).toBe(Number(before) + 1)
    await soon(() => linesOf(gateway, '/openapi.json').length).toBe(8)
    expect(new Set(linesOf(gateway, '/openapi.json').map((line) => line['status']))).toEqual(new Set([499]))
    expect((await gateway.send('/health/live')).status).toBe(200)
  })

  test('may be any number one after the other', async () => {
    for (let count = 0; count < 50; count++) expect((await gateway.send('/health/live')).status).toBe(200)
  })
})

describe('a peer that does not read', async () => {
  const clock = createFakeClock()
  const slow = await startGateway({ UNREAD_TIMEOUT: '30s' }, undefined, { clock })
  afterAll(() => slow[Symbol.asyncDispose]())
  const ANSWERS = 40

  /** Reads so much, and then nothing more until the next time. */
  async function readSome(socket: Socket, bytes: number): Promise<void> {
    for (let read = 0; read < bytes && !socket.destroyed;) {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) await once(socket, 'readable')
      else read += chunk.length
    }
  }

  test('is cut off after UNREAD_TIMEOUT, and its requests are told', async () => {
    const socket = await connectTo(slow.url)
    socket.pause()
    socket.write(get(BUNDLE).repeat(ANSWERS))
    await soon(async () => {
      await clock.advance(5_000)
      return closed(slow, 'unread')
    }).toBe(1)
    await soon(() => linesOf(slow, BUNDLE).length).toBe(ANSWERS)
    expect(linesOf(slow, BUNDLE).map((line) => line['status'])).toContain(499)
    await soon(() => slow.log.find((line) => line['msg'] === 'connections closed')).toMatchObject({
      level: 'WARN',
      unread: 1,
    })
  })

  test('but reads slowly gets everything, however long it takes', async () => {
    const socket = await connectTo(slow.url)
    socket.write(get(BUNDLE).repeat(ANSWERS))
    const whole = (await slow.send(BUNDLE)).bytes.length * ANSWERS
    const step = 6 * 1_048_576
    for (let read = 0; read + step < whole; read += step) {
      await readSome(socket, step)
      await clock.advance(20_000)
    }
    expect(await closed(slow, 'unread')).toBe(1)
    expect(socket.destroyed).toBe(false)
    socket.destroy()
  })

  test('but has nothing to read is left alone', async () => {
    const socket = await connectTo(slow.url)
    const answer = once(socket, 'data')
    socket.write(get('/health/live'))
    await answer
    await clock.advance(60_000)
    const second = once(socket, 'data')
    socket.write(get('/health/live'))
    expect(String(await second)).toContain('200 OK')
    socket.destroy()
  })
})

test('beyond MAX_CONNECTIONS a connection is closed at once, and the others go on', async () => {
  await using few = await startGateway({ MAX_CONNECTIONS: '3' })
  const taken = await Promise.all([connectTo(few.url), connectTo(few.url)])
  await soon(() => gauge(few, 'hookferry_connections')).toBe(3)
  for (let count = 0; count < 5; count++) expect(await readAll(await connectTo(few.url))).toBe('')
  expect(await closed(few, 'too_many')).toBe(5)
  taken[0].destroy()
  await soon(() => gauge(few, 'hookferry_connections')).toBe(2)
  expect((await sendRaw(few.url, 'GET /health/live HTTP/1.0\r\n\r\n')).slice(0, 15)).toBe('HTTP/1.1 200 OK')
  closeAll()
})

describe('bodies that do not arrive completely', async () => {
  const small = await startGateway({ MAX_BODY: '64kb', MAX_BODY_BYTES_IN_PROGRESS: '256kb' })
  afterAll(() => small[Symbol.asyncDispose]())
  const half = 'x'.repeat(32_000)
  const held = () => gauge(small, 'hookferry_body_bytes_in_progress')

  test('take a bounded memory: the first one is refused, and an honest one is taken', async () => {
    const first = await connectTo(small.url)
    const refused = readAll(first)
    first.write(begin('/webhook?first', 60_000, half))
    await soon(held).toBeGreaterThanOrEqual(32_000)
    const others = await Promise.all(Array.from({ length: 30 }, () => connectTo(small.url)))
    for (const socket of others) socket.write(begin('/webhook?other', 60_000, half))
    const answer = await refused
    expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: 1\r\n[\s\S]*"code":"overloaded"/i)
    expect(answer).toMatch(/\r\nconnection: close\r\n/i)
    expect(await held()).toBeLessThanOrEqual(256 * 1_024)
    expect(await closed(small, 'too_many_bodies')).toBeGreaterThan(0)

    const event = { text: 'y'.repeat(50_000) }
    const honest = await small.send('/ingest?event_type=a', { json: event, chunked: true })
    expect(honest.status).toBe(202)
    for (const socket of others) socket.destroy()
    await soon(held).toBe(0)
  })

  test('count as they arrive and not as they are announced', async () => {
    const others = await Promise.all(Array.from({ length: 30 }, () => connectTo(small.url)))
    for (const socket of others) socket.write(begin('/webhook?announced', 60_000, 'x'))
    await soon(held).toBe(0)
    for (const socket of others) expect(socket.destroyed).toBe(false)
    for (const socket of others) socket.destroy()
  })

  test('are joined to the byte, whatever their pieces are', async () => {
    const text = JSON.stringify({ text: 'ü'.repeat(9_000) })
    const bytes = Buffer.from(text)
    const pieces = Array.from(bytes, (byte) => `1\r\n${String.fromCharCode(byte)}\r\n`).join('')
    const head =
      'POST /ingest?event_type=a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
    const socket = await connectTo(small.url)
    const received = readAll(socket)
    socket.write(Buffer.from(`${head}${pieces}0\r\n\r\n`, 'latin1'))
    const { id } = JSON.parse((await received).split('\r\n\r\n')[1] ?? '') as { id: string }
    expect((await small.send(`/deliveries/${id}/payload`)).bytes.equals(bytes)).toBe(true)
    expect(await held()).toBe(0)
  })

  test('are told, when their sender goes away', async () => {
    const socket = await connectTo(small.url)
    socket.write(begin('/webhook/', 60_000, half))
    await soon(held).toBeGreaterThan(0)
    socket.resetAndDestroy()
    await soon(held).toBe(0)
    const lines = linesOf(small, '/webhook/')
    expect(lines).toMatchObject([{ status: 499, dup: false, result: 'error' }])
  })
})

describe('a request that cannot be read', () => {
  const idIn = (answer: string) => /\r\nx-request-id: (\S+)\r\n/i.exec(answer)?.[1]

  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['two lengths', 'POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}', 400],
    ['headers that are too large', `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    [
      'pieces of a body that are none',
      `${begin('/ingest', 1).replace(/Content.*/, 'Transfer-Encoding: chunked')}z`,
      400,
    ],
  ])(
    'because of %s has one line in the log with the id that was answered, and is counted',
    async (_name, text, status) => {
      const count = async () => {
        const all = Object.entries(await metrics(gateway, 'http_requests_total'))
        return all.filter(([labels]) => labels.endsWith(`status=${status}`)).reduce((sum, [, value]) => sum + value, 0)
      }
      const before = await count()
      const answer = await sendRaw(gateway.url, text)
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      const id = idIn(answer)
      await soon(() => gateway.log.filter((line) => line['request_id'] === id)).toMatchObject([
        { status, level: 'INFO' },
      ])
      await soon(count).toBe(before + 1)
    },
  )

  test.each([
    ['two Host headers', 'GET /health/live HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n'],
    ['two equal Host headers', 'GET /health/live HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
    ['no Host header', 'GET /health/live HTTP/1.1\r\nX-Host: a\r\n\r\n'],
    ['no Host header, and a body', 'POST /api/v1/app HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}'],
    ['a version that is not spoken', 'GET /health/live HTTP/2.0\r\nHost: a\r\n\r\n'],
    ['a version from before there were headers', 'GET /health/live HTTP/0.9\r\nHost: a\r\n\r\n'],
  ])('because of %s is answered 400', async (_name, text) => {
    const answer = await sendRaw(gateway.url, text.replace('\r\n', '\r\nConnection: close\r\n'))
    expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"bad_request"/)
    await soon(() => gateway.log.filter((line) => line['request_id'] === idIn(answer)).length).toBe(1)
  })

  test.each(['FOO /subscriptions HTTP/1.1', 'get /subscriptions HTTP/1.1', 'hello'])(
    'because of its method is answered so in words: %s',
    async (line) => {
      const answer = await sendRaw(gateway.url, `${line}\r\nHost: a\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*does not begin with a method that is registered for HTTP/)
    },
  )

  test.each([
    ['HTTP/1.0 without a Host', 'GET /health/live HTTP/1.0\r\n\r\n'],
    [
      'an expectation that is unknown',
      'GET /health/live HTTP/1.1\r\nHost: a\r\nExpect: luck\r\nConnection: close\r\n\r\n',
    ],
  ])('is not one with %s', async (_name, text) => {
    expect(await sendRaw(gateway.url, text)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('is not answered in the place of one before it', async () => {
    await using stuck = await startGateway()
    {
      using other = new DatabaseSync(stuck.databasePath)
      other.exec('BEGIN IMMEDIATE')
      const body = '{"text":"waits for the store"}'
      const answer = await sendRaw(stuck.url, `${begin('/ingest?event_type=a', body.length, body)}no HTTP\r\n\r\n`)
      expect(answer).toBe('')
      await soon(() => stuck.log.filter((line) => line['msg'] === 'request').map((line) => line['status'])).toEqual([
        400, 499,
      ])
    }
    await soon(() => stuck.rows().msg).toBe(1)
  })
})

describe('a gateway that stops', () => {
  test('does not wait for connections that never asked for anything', async () => {
    const stopping = await startGateway()
    const silent = await connectTo(stopping.url)
    await soon(() => gauge(stopping, 'hookferry_connections')).toBe(2)
    await stopping[Symbol.asyncDispose]()
    expect(await readAll(silent)).toBe('')
  })

  test('does not wait for long for the rest of a request, nor for a client that does not read', async () => {
    const clock = createFakeClock()
    const stopping = await startGateway({}, undefined, { clock })
    await stopping.send(BUNDLE)
    const [slow, unread] = await Promise.all([connectTo(stopping.url), connectTo(stopping.url)])
    slow.write(begin('/webhook', 1_000, 'x'))
    unread.pause()
    unread.write(get(BUNDLE).repeat(20))
    await soon(() => gauge(stopping, 'hookferry_connections')).toBe(3)
    const stopped = stopping[Symbol.asyncDispose]()
    await clock.advance(4_000)
    await stopped
    await soon(() => linesOf(stopping, '/webhook')).toMatchObject([{ status: 499 }])
    expect(linesOf(stopping, BUNDLE).map((line) => line['status'])).toContain(499)
  })
})

test('what is not implemented is no error of the gateway', async () => {
  const answer = await gateway.send('/api/v1/auth/logout', { method: 'POST' })
  expect(answer.status).toBe(501)
  const id = answer.headers['x-request-id']
  await soon(() => gateway.log.find((line) => line['request_id'] === id)).toMatchObject({ level: 'WARN', status: 501 })
})
