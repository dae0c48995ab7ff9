import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Lingering } from '../../src/http/lingering.ts'
import { soon } from '../acceptance/gateway.ts'
import { begin, closeAll, connectTo } from '../acceptance/raw-socket.ts'

afterEach(closeAll)

/** A server that answers at once that it is the last answer, and is swept every second. */
async function serve() {
  const lingering = new Lingering({ bodyBytesMax: 1_000, sweepEveryMs: 1_000 })
  const sockets: Socket[] = []
  const server = createServer((request, response) => {
    sockets.push(request.socket)
    lingering.beforeAnswer(request, () => {})
    response.writeHead(413, { connection: 'close' }).end('too large')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = await connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  // As clients keep it that only write.
  client.allowHalfOpen = true
  client.write(begin('/', 1_000_000))
  expect(String(await once(client, 'data'))).toMatch(/^HTTP\/1\.1 413 /)
  const [socket] = sockets
  return {
    lingering,
    client,
    socket: socket!,
    async [Symbol.asyncDispose]() {
      client.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

test('whoever sends nothing more is let go after five seconds', async () => {
  await using server = await serve()
  for (let second = 0; second < 5; second++) server.lingering.sweep()
  expect(server.socket.destroyed).toBe(false)
  server.lingering.sweep()
  expect(server.socket.destroyed).toBe(true)
})

test('whoever sends a little again and again is let go after thirty seconds', async () => {
  await using server = await serve()
  for (let second = 0; second < 31; second++) {
    expect(server.socket.destroyed).toBe(false)
    const read = server.socket.bytesRead
    server.client.write('x')
    await soon(() => server.socket.bytesRead).toBe(read + 1)
    server.lingering.sweep()
  }
  expect(server.socket.destroyed).toBe(true)
})

test('whoever has sent everything is let go at once', async () => {
  await using server = await serve()
  server.client.write('x'.repeat(1_000_000))
  await once(server.socket, 'close')
  expect(server.socket.bytesRead).toBeGreaterThan(1_000_000)
})

test('nobody is waited for once the server stops', async () => {
  await using server = await serve()
  const closed = once(server.socket, 'close')
  server.lingering.stop()
  expect(await closed).toEqual([false])
})

test('a connection whose requests are answered early, one after the other, keeps nothing of them', async () => {
  const lingering = new Lingering({ bodyBytesMax: 1_000, sweepEveryMs: 1_000 })
  const listeners: number[] = []
  const server = createServer((request, response) => {
    listeners.push(request.socket.listenerCount('close'))
    lingering.beforeAnswer(request, () => {})
    request.resume()
    response.writeHead(401).end('who?')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = await connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (let n = 0; n < 5; n++) {
    client.write(begin('/', 4))
    expect(String(await once(client, 'data'))).toMatch(/^HTTP\/1\.1 401 /)
    client.write('rest')
  }
  expect(listeners).toEqual(Array(5).fill(listeners[0]))
  client.destroy()
  await new Promise<void>((resolve) => server.close(() => resolve()))
})
