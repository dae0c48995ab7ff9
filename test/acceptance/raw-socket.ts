/** Connections as no HTTP client makes them: bytes that are no HTTP, answers that nobody reads, requests without an end. */
import { connect, type Socket } from 'node:net'

const open = new Set<Socket>()

/** Connects; resolves once the system has the connection, whatever the gateway makes of it. */
export function connectTo(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve(socket.off('error', reject).on('error', () => {})))
    socket.on('error', reject).on('close', () => open.delete(socket))
    open.add(socket)
  })
}

/** All that comes until the connection is closed. */
export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
    socket.on('close', () => resolve(received))
    if (socket.destroyed) resolve(received)
  })
}

/** Sends bytes, and returns all that comes back until the gateway closes the connection. */
export async function sendRaw(url: string, text: string): Promise<string> {
  const socket = await connectTo(url)
  const received = readAll(socket)
  socket.write(text)
  return received
}

export function closeAll(): void {
  for (const socket of open) socket.destroy()
}

/** A request as text, for a connection that stays open. */
export const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

/** A request of which `length` bytes of body are announced, and `body` is there. */
export const begin = (path: string, length: number, body = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`
