/** Receivers that never come to an end of what is no body. Each is cut off by a count, long before the time-out. */
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/destinations/guard.ts'
import { createHttpDriver } from '../../src/destinations/http.ts'
import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { endpoint, message } from '../conformance/builders.ts'
import { httpServer, rawServer, type Running } from './http-servers.ts'

let stack: AsyncDisposableStack
beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())

const OK_CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

function startDriver() {
  const lookup = () => Promise.reject(new Error('nobody asks'))
  return stack.use(
    createHttpDriver({
      guard: createAddressGuard({ allowedSubnets: ['127.0.0.0/8'], lookup }),
      clock: systemClock,
      userAgent: 'Hookferry/test',
      signatureHeaders: 'both',
      connectTimeoutMs: 5_000,
    }),
  )
}

/** Writes `head` once and then `piece` for as long as somebody reads; `sent` tells how much. */
async function endless(head: string, piece: string): Promise<Running & { sent: () => number }> {
  let sent = 0
  const block = piece.repeat(Math.ceil(16_384 / piece.length))
  const server = await rawServer((socket: Socket) => {
    socket.write(head)
    const fill = () => {
      while (!socket.destroyed && socket.write(block)) sent += block.length
    }
    socket.on('drain', fill)
    fill()
  })
  stack.use(server)
  return Object.assign(server, { sent: () => sent })
}

const deliver = (driver: ReturnType<typeof startDriver>, url: string, bytes = 10) =>
  driver.deliver({
    endpoint: endpoint({ url }),
    message: message({ payload: Buffer.alloc(bytes, 'x') }),
    at: Date.UTC(2030, 0),
    timeoutMs: 60_000,
  })

describe('an endless', () => {
  test.each([
    ['run of 103s', '', 'HTTP/1.1 103 Early Hints\r\n\r\n', /sent more than 20 interim answers$/],
    ['run of 102s', '', 'HTTP/1.1 102 Processing\r\n\r\n', /sent more than 20 interim answers$/],
    [
      'run of line breaks before the status',
      '',
      '\r\n\r\n\r\n\r\n',
      /sent too much without coming to the end of its headers$/,
    ],
    [
      'interim answer',
      'HTTP/1.1 100 Continue\r\n',
      'a: b\r\n',
      /sent too much without coming to the end of its headers$/,
    ],
  ])('%s is cut off and told in words', async (_, head, piece, words) => {
    const server = await endless(head, piece)
    const outcome = await deliver(startDriver(), server.origin)
    expect(outcome).toEqual({ kind: 'unreachable', error: expect.stringMatching(words) })
    await expect.poll(() => server.connections.open).toBe(0)
  })

  test.each([
    ['head', 'HTTP/1.1 200 OK\r\n', 'a: b\r\n'],
    ['chunk extension', `${OK_CHUNKED}1;`, 'a'],
    ['run of trailers', `${OK_CHUNKED}0\r\n`, 'a: b\r\n'],
    ['run of chunks with little in them', OK_CHUNKED, `1;${'a'.repeat(4_000)}\r\nx\r\n`],
  ])('%s is cut off, and the status that was here counts', async (_, head, piece) => {
    const server = await endless(head, piece)
    expect(await deliver(startDriver(), server.origin)).toMatchObject({ kind: 'accepted', statusCode: 200 })
    await expect.poll(() => server.connections.open).toBe(0)
    // Beside what was read there is only what the kernel keeps for both sides.
    expect(server.sent()).toBeLessThan(64 * 1_048_576)
  })
})

test.each([
  [200, 'accepted'],
  [503, 'refused'],
])('of a body with very many lines the beginning is kept, and its status %i counts', async (status, kind) => {
  const body = 'line\n'.repeat(10_000)
  const server = stack.use(await httpServer((response) => void response.writeHead(status).end(body)))
  const outcome = await deliver(startDriver(), server.origin)
  expect(outcome).toMatchObject({
    kind,
    statusCode: status,
    response: body.slice(0, DESTINATION_LIMITS.responseBytesKept),
  })
})

test('the count begins anew with each attempt on a connection, however much is sent and answered', async () => {
  const answer = Buffer.alloc(60_000, 'y')
  const server = stack.use(await httpServer((response) => void response.end(answer)))
  const driver = startDriver()
  for (let i = 0; i < 24; i++)
    expect(await deliver(driver, server.origin, i % 2 === 0 ? 10 : 400_000)).toMatchObject({ kind: 'accepted' })
  expect(12 * answer.length).toBeGreaterThan(DESTINATION_LIMITS.answerBytesOnWire)
  // Now and then an attempt begins before the connection of the last one is free.
  expect(server.connections.made).toBeLessThanOrEqual(2)
  expect(server.connections.open).toBe(server.connections.made)
})
