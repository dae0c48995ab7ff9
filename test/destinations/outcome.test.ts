/**
 * A receiver that plays scripts of bytes, and what an attempt comes to: everything that can happen between connecting and the
 * last byte of the headers.
 */
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import tls from 'node:tls'
import { buildConnector } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openAgents } from '../../src/destinations/agents.ts'
import { endsInTurns } from '../../src/destinations/ends-in-turns.ts'
import { exchange } from '../../src/destinations/exchange.ts'
import { createAddressGuard } from '../../src/destinations/guard.ts'
import { createHttpDriver } from '../../src/destinations/http.ts'
import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { endpoint, message } from '../conformance/builders.ts'
import { makeCertificates } from './http-servers.ts'

let stack: AsyncDisposableStack
beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())

/** What the receiver does at a request: it sends bytes, or ends the connection. */
type Step = string
const END = '(end)'
const RESET = '(reset)'
/** One for each connection, in the order in which they are made; in each the steps for one request after the other. */
type Script = Step[][][]

async function play(script: Script, secure?: tls.TlsOptions) {
  const sockets = new Set<Socket>()
  const seen: string[] = []
  let made = 0
  const answer = (socket: Socket) => {
    const connection = ++made
    const answers = [...(script[connection - 1] ?? [])]
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const id = /\r\n\r\n(.*)!/.exec(text)?.[1]
      if (id === undefined) return
      text = ''
      seen.push(`${connection}:${id}`)
      for (const step of answers.shift() ?? []) {
        if (step === END) socket.end()
        else if (step === RESET) socket.resetAndDestroy()
        else socket.write(step, 'latin1')
      }
    })
  }
  const server = secure === undefined ? net.createServer({ noDelay: true }, answer) : tls.createServer(secure, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return {
    origin: `http${secure === undefined ? '' : 's'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    resetAll: () => sockets.forEach((socket) => socket.resetAndDestroy()),
  }
}

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

const deliver = (driver: ReturnType<typeof startDriver>, url: string, id: string, timeoutMs = 10_000) =>
  driver.deliver({
    endpoint: endpoint({ url }),
    message: message({ payload: Buffer.from(`${id}!`) }),
    at: Date.UTC(2030, 0),
    timeoutMs,
  })

/** undici lets a connection rest for a turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const NO = 'HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\nno'
const accepted = (response: string | null = 'ok') => ({ kind: 'accepted', statusCode: 200, response })
const refused = (statusCode: number, error: RegExp) => ({
  kind: 'refused',
  statusCode,
  error: expect.stringMatching(error),
})
const unreachable = (error: RegExp) => ({ kind: 'unreachable', error: expect.stringMatching(error) })

const cookies = (count: number, chars: number) => `set-cookie: ${'x'.repeat(chars)}\r\n`.repeat(count)
const TWO_LENGTHS = 'content-length: 1\r\ncontent-length: 2\r\n\r\nok'
const continues = (count: number, head = '') => `HTTP/1.1 100 Continue\r\n${head}\r\n`.repeat(count)
const UPGRADE = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'

describe('on its first connection, an attempt that is answered', () => {
  test.each<[string, Step[], object]>([
    ['with a success', [OK], accepted()],
    ['with one in single bytes', OK.split(''), accepted()],
    ['with one, and then closed', [OK, END], accepted()],
    ['with one after a 100', [continues(1), OK], accepted()],
    ['with one after a 100 with headers', [continues(1, 'date: x\r\nserver: y\r\n') + OK], accepted()],
    ['with one after a 100 in single bytes', (continues(1) + OK).split(''), accepted()],
    ['with one after all the 100s that it may send', [continues(DESTINATION_LIMITS.interimAnswersMax), OK], accepted()],
    [
      'with a refusal after 100, 102 and 103',
      [continues(1), 'HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\n\r\n', NO],
      refused(500, /^answered 500$/),
    ],
    [
      'with a 100 too many',
      [continues(DESTINATION_LIMITS.interimAnswersMax + 1), OK],
      unreachable(/sent more than 20 interim answers$/),
    ],
    ['with a 100 alone, and closed', [continues(1), END], unreachable(/closed by .* before it answered$/)],
    ['with another protocol', [UPGRADE], refused(101, /^answered 101: nobody asked for another protocol/)],
    ['with a header of 20,000 characters', [OK.replace('\r\n', `\r\nx: ${'x'.repeat(20_000)}\r\n`)], accepted()],
    ['with sixty cookies', [OK.replace('\r\n', `\r\n${cookies(60, 300)}`)], accepted()],
    ['with 256 KB of headers', [OK.replace('\r\n', `\r\n${cookies(64, 4_080)}`)], accepted()],
    [
      'with a success and more headers than anybody takes',
      [`HTTP/1.1 200 OK\r\n${cookies(100, 10_000)}\r\n`],
      accepted(null),
    ],
    [
      'with a refusal and more of them',
      [`HTTP/1.1 500 X\r\n${cookies(100, 10_000)}\r\n`],
      refused(500, /^answered 500; then: .* sent too much without coming to the end of its headers$/),
    ],
    ['with a success and a header that is none', ['HTTP/1.1 200 OK\r\na\rb: c\r\n\r\n'], accepted(null)],
    ['with a success and two lengths', [`HTTP/1.1 200 OK\r\n${TWO_LENGTHS}`], accepted(null)],
    [
      'with a refusal and two lengths',
      [`HTTP/1.1 404 X\r\n${TWO_LENGTHS}`],
      refused(404, /^answered 404; then: .*content-length/),
    ],
    ['with a status line, and closed', ['HTTP/1.1 200 OK\r\n', END], accepted(null)],
    ['with a status line, and reset', ['HTTP/1.1 200 OK\r\nx: y\r\n'], accepted(null)],
    ['with half a status line, and closed', ['HTTP/1.1 20', END], unreachable(/closed by .* before it answered$/)],
    ['with a status of four digits', ['HTTP/1.1 2000 OK\r\n\r\n', END], unreachable(/not HTTP\/1\.1$/)],
    ['with nothing, and closed', [END], unreachable(/closed by .* before it answered$/)],
    ['with nothing, and reset', [RESET], unreachable(/reset by .* before it answered$/)],
    ['with something else', ['220 mail.example ESMTP\r\n'], unreachable(/not HTTP\/1\.1$/)],
  ])('%s', async (_, steps, expected) => {
    const { origin, seen } = await play([[steps]])
    expect(await deliver(startDriver(), origin, 'a', 500)).toMatchObject(expected)
    expect(seen).toEqual(['1:a'])
  })
})

describe('on a kept connection, an attempt that is answered', () => {
  test.each<[string, Script, object, string[]]>([
    ['with a close is made again', [[[OK], [END]], [[OK]]], accepted(), ['1:b', '2:b']],
    ['with a reset is made again', [[[OK], [RESET]], [[OK]]], accepted(), ['1:b', '2:b']],
    [
      'with a close is made again, and that counts',
      [[[OK], [END]], [[NO]]],
      refused(500, /^answered 500$/),
      ['1:b', '2:b'],
    ],
    [
      'with a close is made once more and not twice',
      [[[OK], [END]], [[END]], [[OK]]],
      unreachable(/closed by/),
      ['1:b', '2:b'],
    ],
    [
      'with a reset is made once more and not twice',
      [[[OK], [RESET]], [[RESET]], [[OK]]],
      unreachable(/reset by/),
      ['1:b', '2:b'],
    ],
    [
      'with a 100 and a close is not made again',
      [[[OK], [continues(1), END]], [[OK]]],
      unreachable(/closed by/),
      ['1:b'],
    ],
    [
      'with half a status line and a close is not made again',
      [[[OK], ['HTTP/1.1 2', END]], [[OK]]],
      unreachable(/closed by/),
      ['1:b'],
    ],
    [
      'with a status line and a reset is not made again',
      [[[OK], ['HTTP/1.1 200 OK\r\nx']], [[OK]]],
      accepted(null),
      ['1:b'],
    ],
    ['with another protocol is not made again', [[[OK], [UPGRADE]], [[OK]]], refused(101, /101/), ['1:b']],
    ['with a success after a 100 is a success', [[[OK], [continues(2), OK]]], accepted(), ['1:b']],
  ])('%s', async (_, script, expected, requests) => {
    const { origin, seen } = await play(script)
    const driver = startDriver()
    expect(await deliver(driver, origin, 'a')).toMatchObject({ kind: 'accepted' })
    await turn()
    expect(await deliver(driver, origin, 'b', 500)).toMatchObject(expected)
    expect(seen).toEqual(['1:a', ...requests])
  })

  test('with nothing until its time is over is not made again', async () => {
    const { origin, seen } = await play([[[OK], []], [[OK]]])
    const driver = startDriver()
    await deliver(driver, origin, 'a')
    await turn()
    expect(await deliver(driver, origin, 'b', 100)).toEqual({ kind: 'unreachable', error: 'timed out after 100ms' })
    expect(seen).toEqual(['1:a', '1:b'])
  })

  test('with a close has what is left of its time, and no more', async () => {
    const { origin, seen } = await play([[[OK], [END]], [[]]])
    const driver = startDriver()
    await deliver(driver, origin, 'a')
    await turn()
    expect(await deliver(driver, origin, 'b', 300)).toEqual({ kind: 'unreachable', error: 'timed out after 300ms' })
    expect(seen).toEqual(['1:a', '1:b', '2:b'])
  })
})

test('an attempt is made again on a new connection, for the other kept ones may be dead as well', async () => {
  const { origin, seen } = await play([[[OK], [END]], [[OK], [END]], [[OK]]])
  const driver = startDriver()
  await Promise.all([deliver(driver, origin, 'a'), deliver(driver, origin, 'b')])
  await turn()
  expect(await deliver(driver, origin, 'c')).toMatchObject(accepted())
  expect(seen.filter((one) => one.endsWith('c'))).toHaveLength(2)
  expect(seen.at(-1)).toBe('3:c')
})

test('an attempt whose connection is reset just before it is written costs nothing', async () => {
  const { origin, seen, resetAll } = await play([[[OK]], [[OK]]])
  const driver = startDriver()
  await deliver(driver, origin, 'a')
  await turn()
  resetAll()
  expect(await deliver(driver, origin, 'b')).toMatchObject(accepted())
  expect(seen).toEqual(['1:a', '2:b'])
})

test('however many kept connections the receiver closes or resets at once, each of their attempts is made again', async () => {
  const [closing, resetting] = [[[OK], [END]] as Step[][], [[OK], [RESET]] as Step[][]]
  const script = [
    ...Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? closing : resetting)),
    ...Array.from({ length: 20 }, (): Step[][] => [[OK]]),
  ]
  const { origin, seen } = await play(script)
  const driver = startDriver()
  const together = (prefix: string) =>
    Promise.all(Array.from({ length: 20 }, (_, i) => deliver(driver, origin, `${prefix}${i}`)))
  const first = await together('a')
  await turn()
  const outcomes = [...first, ...(await together('b'))]
  expect(outcomes.filter(({ kind }) => kind !== 'accepted')).toEqual([])
  expect(seen).toHaveLength(60)
})

test('a receiver that closes after each answer without saying so gets every event, and no attempt fails', async () => {
  const { origin } = await play(Array.from({ length: 400 }, () => [[OK, END]]))
  const driver = startDriver()
  const failed: unknown[] = []
  let next = 0
  const sender = async () => {
    while (next < 120) {
      const outcome = await deliver(driver, origin, `e${next++}`)
      if (outcome.kind !== 'accepted') failed.push(outcome)
    }
  }
  await Promise.all(Array.from({ length: 20 }, sender))
  expect(failed).toEqual([])
})

test('over TLS likewise: kept connections that end, 100s, and bodies that take a while to be sent', async () => {
  const { key, valid } = makeCertificates()
  const script: Script = [[[OK], [continues(1), OK], [END]], [[OK]]]
  const { origin, seen } = await play(script, { key, cert: valid })
  const connect = buildConnector({ rejectUnauthorized: false })
  const agents = stack.use(openAgents({ connect, clock: systemClock, bounds: { bytesMax: 10_000, linesMax: 100 } }))
  const attempt = (body: Buffer) =>
    exchange({
      agents,
      clock: systemClock,
      url: new URL(origin),
      timeoutMs: 5_000,
      request: { origin, path: '/', method: 'POST', body },
      inTurns: endsInTurns(),
    })
  for (const body of ['a!', `${'b'.repeat(500_000)}!`, 'c!']) {
    expect(await attempt(Buffer.from(body))).toEqual(accepted())
    await turn()
  }
  expect(seen.map((one) => one.slice(0, 3))).toEqual(['1:a', '1:b', '1:c', '2:c'])
})

test.each([
  ['of HTTP/1.1', OK],
  ['of HTTP/1.0 that keeps connections', 'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok'],
])('the first answer on an old connection is its last one, of a receiver %s, too', async (_, answer) => {
  const { origin, seen } = await play([[[answer], [answer], [answer]], [[answer]]])
  let now = 0
  const bounds = { bytesMax: 10_000, linesMax: 100 }
  const clock = { now: () => now }
  const agents = stack.use(openAgents({ connect: buildConnector({}), clock, bounds, connectionAgeMs: 30_000 }))
  const request = { origin, path: '/', method: 'POST', body: 'x!' } as const
  for (const at of [0, 14_999, 15_000, 15_001]) {
    now = at
    const attempt = {
      agents,
      clock: systemClock,
      url: new URL(origin),
      timeoutMs: 5_000,
      request,
      inTurns: endsInTurns(),
    }
    expect(await exchange(attempt)).toEqual(accepted())
    await turn()
  }
  expect(seen).toEqual(['1:x', '1:x', '1:x', '2:x'])
})
