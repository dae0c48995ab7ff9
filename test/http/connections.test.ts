import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ConnectionError, FastifyReply } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { Connections } from '../../src/http/connections.ts'
import { connectionsWithin, openFilesMax } from '../../src/lib/open-files.ts'
import { soon } from '../acceptance/gateway.ts'
import { begin, closeAll, connectTo, get, sendRaw } from '../acceptance/raw-socket.ts'

const NO_BOUND = Number.MAX_SAFE_INTEGER

/** A real server whose clients have a tenth of a second, and what was told of it. `handle` says when requests are answered. */
async function serve(handle: (reply: FastifyReply, end: () => void) => void = () => {}, timeoutMs = 100) {
  const told: unknown[] = []
  let requests = 0
  const connections = new Connections(
    {
      connectionsMax: 100,
      pipelinedMax: 64,
      bodyBytesMax: 1_000,
      bodyBytesInProgressMax: NO_BOUND,
      unreadTimeoutMs: NO_BOUND,
    },
    { connectionClosed: (reason) => told.push(['closed', reason]), connectionsSwept: () => {} },
  )
  const server = createServer({ headersTimeout: timeoutMs, requestTimeout: timeoutMs, connectionsCheckingInterval: 20 })
  connections.watch(server, {
    abandoned: ({ request }) => told.push(['abandoned', request.url]),
    refused: ({ request }, status) => told.push(['refused', request.url, status]),
    unreadable: (status) => {
      told.push(['unreadable', status])
      return 'new-id'
    },
  })
  server.on('clientError', (error, socket) => connections.refuseUnreadable(error as ConnectionError, socket as Socket))
  server.on('request', (raw, response) => {
    requests++
    const reply = { raw: response, request: { raw, id: 'its-id', url: raw.url } } as unknown as FastifyReply
    if (!connections.begin(reply)) return
    handle(reply, () => {
      response.once('finish', () => connections.end(reply)).end('answered')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    told,
    requests: () => requests,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

afterEach(closeAll)

describe('who is too slow', () => {
  test('with the headers is answered 408', async () => {
    await using slow = await serve()
    expect(await sendRaw(slow.url, 'GET / HTTP/1.1\r\nHost:')).toMatch(
      /^HTTP\/1\.1 408 [\s\S]*x-request-id: new-id\r\n/,
    )
    expect(slow.told).toEqual([
      ['closed', 'slow_headers'],
      ['unreadable', 408],
    ])
  })

  test('and sends nothing at all is answered 408', async () => {
    await using slow = await serve()
    expect(await sendRaw(slow.url, '')).toMatch(/^HTTP\/1\.1 408 /)
    expect(slow.told).toEqual([
      ['closed', 'slow_headers'],
      ['unreadable', 408],
    ])
  })

  test('with the body is answered 408 under the id of the request', async () => {
    await using slow = await serve()
    expect(await sendRaw(slow.url, begin('/slow', 100, 'a'))).toMatch(/^HTTP\/1\.1 408 [\s\S]*x-request-id: its-id\r\n/)
    expect(slow.told).toEqual([
      ['closed', 'slow_body'],
      ['refused', '/slow', 408],
    ])
  })

  test('with the body, and has its answer, gets no second one', async () => {
    await using slow = await serve((_reply, end) => end())
    expect((await sendRaw(slow.url, begin('/early', 100, 'a'))).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200'])
    expect(slow.told).toEqual([['closed', 'slow_body']])
  })

  test('while another answer is awaited gets nothing in its place', async () => {
    await using slow = await serve()
    expect(await sendRaw(slow.url, `${get('/awaited')}${begin('/slow', 100, 'a')}`)).toBe('')
    await soon(() => slow.told).toEqual([
      ['closed', 'slow_body'],
      ['abandoned', '/awaited'],
      ['abandoned', '/slow'],
    ])
  })
})

describe('requests that wait', () => {
  test('are read from a piece of many only until they are one too many', async () => {
    await using many = await serve(() => {}, NO_BOUND)
    expect(await sendRaw(many.url, get('/many').repeat(1_000))).toBe('')
    await soon(() => many.told.length).toBe(65)
    expect(many.told[0]).toEqual(['closed', 'pipelined'])
    expect(many.requests()).toBe(65)
  })

  test('are bounded in all, too, and one on each connection is always taken', async () => {
    const open: unknown[] = []
    await using many = await serve((reply) => open.push(reply.request.url), NO_BOUND)
    const sockets = await Promise.all(Array.from({ length: 80 }, () => connectTo(many.url)))
    for (const socket of sockets) socket.write(get('/many').repeat(60))
    await soon(() => many.told.filter((one) => Array.isArray(one) && one[1] === 'pipelined').length).toBeGreaterThan(5)
    const honest = await connectTo(many.url)
    honest.write(get('/honest'))
    await soon(() => open).toContain('/honest')
    expect(honest.destroyed).toBe(false)
    closeAll()
  })
})

describe('where only so many files may be open', () => {
  test.each([
    { wanted: 8_192, files: 1_048_576, connections: 8_192 },
    { wanted: 8_192, files: Infinity, connections: 8_192 },
    { wanted: 8_192, files: 1_024, connections: 384 },
    { wanted: 8_192, files: 512, connections: 128 },
    { wanted: 8_192, files: 1, connections: 1 },
    { wanted: 10, files: 1_024, connections: 10 },
  ])('of $files, $connections of $wanted connections are taken', ({ wanted, files, connections }) => {
    expect(connectionsWithin(wanted, files, 512)).toBe(connections)
  })

  test('the system says how many', () => {
    expect(openFilesMax()).toBeGreaterThan(100)
  })
})
