/** Answers that come before all of the request is there, and clients that write everything before they read. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, describe, expect, test } from 'vitest'
import { startGateway } from './gateway.ts'
import { begin, closeAll, connectTo, readAll } from './raw-socket.ts'
import { startReceiver } from './receiver.ts'

const KEY = 'a-management-key'
const receiver = await startReceiver()
const gateway = await startGateway({ MAX_BODY: '1mb', API_KEY: KEY })
const { id } = await gateway.ask<{ id: string }>('/subscriptions', {
  json: { target_url: receiver.hook().url },
  headers: { authorization: `Bearer ${KEY}` },
})
afterAll(async () => {
  closeAll()
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const LARGE = 6 * 1_048_576

const AUTHORIZED = { authorization: `Bearer ${KEY}` }

/** Six times MAX_BODY, to every door: which headers, and what comes. */
const REFUSALS: [string, string, Record<string, string>, number][] = [
  ['POST', `/ingest/${id}`, {}, 413],
  ['POST', '/ingest', AUTHORIZED, 413],
  ['POST', '/ingest', {}, 401],
  ['POST', '/webhook', {}, 413],
  ['POST', '/notifications', AUTHORIZED, 413],
  ['POST', '/subscriptions', AUTHORIZED, 413],
  ['PATCH', `/subscriptions/${id}`, { authorization: 'Bearer another-one' }, 401],
  ['POST', '/api/v1/app', {}, 401],
  ['PUT', '/webhook', {}, 413],
  ['POST', '/nowhere', {}, 413],
  ['POST', `/ingest/${id}`, { 'hookferry-hops': '99' }, 508],
]

/** Python's client, which requests and urllib3 are made of, writes the whole body and reads only then. */
const PYTHON = `
import http.client, json, sys
for method, host, path, headers, times in json.load(sys.stdin):
    for _ in range(times):
        connection = http.client.HTTPConnection(host, timeout=20)
        try:
            connection.request(method, path, body=b'x' * ${LARGE}, headers=headers)
            print(connection.getresponse().status)
        except OSError as error:
            print(type(error).__name__)
        connection.close()
`

async function inPython(refusals: typeof REFUSALS, times: number): Promise<string[]> {
  const { host } = new URL(gateway.url)
  const python = spawn('python3', ['-c', PYTHON], { stdio: ['pipe', 'pipe', 'inherit'] })
  python.stdin.end(JSON.stringify(refusals.map(([method, path, headers]) => [method, host, path, headers, times])))
  let printed = ''
  python.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  await once(python, 'close')
  return printed.trim().split('\n')
}

describe('a refusal of a large body can be read', () => {
  test.each(REFUSALS)('by fetch: %s %s with %j is %i', async (method, path, headers, status) => {
    for (let count = 0; count < 5; count++) {
      const init = { method, headers, body: 'x'.repeat(LARGE) }
      const answer = await fetch(gateway.url + path, init)
      expect(answer.status).toBe(status)
      await answer.body?.cancel()
    }
  })

  test("by Python's http.client", async () => {
    const expected = REFUSALS.flatMap(([, , , status]) => [String(status), String(status), String(status)])
    expect(await inPython(REFUSALS, 3)).toEqual(expected)
  }, 60_000)

  test('also where its length is not told, or its framing breaks', async () => {
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const head = begin(`/ingest/${id}`, 0).replace('Content-Length: 0', 'Transfer-Encoding: chunked')
    for (const [body, status] of [
      [chunk.repeat(96), 413],
      [`zz\r\n${chunk.repeat(96)}`, 400],
    ] as const) {
      const socket = await connectTo(gateway.url)
      const answer = readAll(socket)
      let failed: unknown = null
      socket.on('error', (error) => (failed = error))
      socket.pause()
      await new Promise<void>((resolve) => socket.write(head + body, () => resolve()))
      socket.resume()
      expect(await answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      expect(failed).toBeNull()
    }
  })
})

describe('what follows an early answer', () => {
  test('is not read without end', async () => {
    const socket = await connectTo(gateway.url)
    const answer = readAll(socket)
    const piece = Buffer.alloc(1_048_576)
    socket.write(begin(`/ingest/${id}`, 2 ** 40))
    while (!socket.destroyed && socket.bytesWritten < 2 ** 30)
      await new Promise<void>((resolve) => socket.write(piece, () => resolve()))
    expect(socket.bytesWritten).toBeLessThan(128 * 1_048_576)
    // The answer may be lost then: such a sender does not read.
    await answer
  })

  test('is no request that is taken in where the connection was to end', async () => {
    const before = gateway.rows().msg
    const socket = await connectTo(gateway.url)
    const answer = readAll(socket)
    const next = `POST /ingest/${id} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}`
    socket.write(begin(`/ingest/${id}`, LARGE))
    await once(socket, 'data')
    socket.write('x'.repeat(LARGE) + next)
    expect((await answer).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413'])
    expect(gateway.rows().msg).toBe(before)
  })

  test('is dropped, and the connection serves on, where it was not to end', async () => {
    const socket = await connectTo(gateway.url)
    const next = 'GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const answer = readAll(socket)
    socket.write(begin('/subscriptions', 10))
    await once(socket, 'data')
    socket.write(`0123456789${next}`)
    expect((await answer).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 200'])
  })

  test('keeps no gateway from stopping', async () => {
    const stopping = await startGateway({ MAX_BODY: '1kb' })
    const socket = await connectTo(stopping.url)
    const answer = readAll(socket)
    socket.write(begin('/webhook', 100_000))
    await once(socket, 'data')
    await stopping[Symbol.asyncDispose]()
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /)
  })
})
