/** Receivers on 127.0.0.1 that do exactly what a test wants, down to the byte. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'

export interface Running extends AsyncDisposable {
  readonly port: number
  /** `http://127.0.0.1:…` */
  readonly origin: string
  /** Connections made so far, and those that are open now. */
  readonly connections: { made: number; open: number }
}

async function listen(server: Server, scheme = 'http'): Promise<Running> {
  const sockets = new Set<Socket>()
  const connections = { made: 0, open: 0 }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    connections.made++
    connections.open++
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      connections.open--
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    origin: `${scheme}://127.0.0.1:${port}`,
    connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export interface Received {
  method: string
  url: string
  /** Names in lower case and values, in the order in which they came. */
  headers: [name: string, value: string][]
  header: (name: string) => string | undefined
  body: Buffer
}

export type HttpServer = Running & { readonly received: Received[] }

/** A well-behaved server: `answer` is called when the whole request is here. */
export async function httpServer(
  answer: (response: http.ServerResponse, request: Received) => void,
): Promise<HttpServer> {
  const received: Received[] = []
  const server = http.createServer((incoming, response) => {
    const { method = '', url = '', rawHeaders } = incoming
    const headers: Received['headers'] = []
    for (let i = 0; i < rawHeaders.length; i += 2) headers.push([rawHeaders[i]!.toLowerCase(), rawHeaders[i + 1]!])
    const header = (name: string) => headers.find(([one]) => one === name)?.[1]
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const request: Received = { method, url, headers, header, body: Buffer.concat(chunks) }
      received.push(request)
      answer(response, request)
    })
  })
  return Object.assign(await listen(server), { received })
}

export const answering = (
  status: number,
  headers: http.OutgoingHttpHeaders = {},
  body: string | Buffer = '',
): Promise<HttpServer> => httpServer((response) => response.writeHead(status, headers).end(body))

/** A server that does what it wants with the socket once a whole request is here. */
export const rawServer = (answer: (socket: Socket, path: string) => void): Promise<Running> =>
  listen(net.createServer({ noDelay: true }, (socket) => readRequests(socket, answer)))

export const writing = (text: string): Promise<Running> => rawServer((socket) => void socket.end(text, 'latin1'))

/** Accepts connections and says nothing. */
export const silentServer = (): Promise<Running> => listen(net.createServer((socket) => void socket.resume()))

function readRequests(socket: Socket, answer: (socket: Socket, path: string) => void): void {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
    if (end === -1 || text.length < end + 4 + length) return
    const path = text.split(' ')[1] ?? ''
    text = text.slice(end + 4 + length)
    answer(socket, path)
  })
}

/** Self-signed certificates for 127.0.0.1, made with the openssl of the machine. */
export function makeCertificates(): { key: Buffer; valid: Buffer; expired: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'hookferry-tls-'))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  try {
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem')
    openssl('req', '-new', '-key', 'key.pem', '-subj', '/CN=127.0.0.1', '-out', 'request.pem')
    const sign = (name: string, ...days: string[]) =>
      openssl('x509', '-req', '-in', 'request.pem', '-signkey', 'key.pem', ...days, '-out', name)
    sign('valid.pem', '-days', '30')
    try {
      sign('expired.pem', '-not_before', '20200101000000Z', '-not_after', '20200201000000Z')
    } catch {
      // Before 3.4 these options were unknown, but a number of days below zero was not refused.
      sign('expired.pem', '-days', '-1')
    }
    const read = (name: string) => readFileSync(join(folder, name))
    return { key: read('key.pem'), valid: read('valid.pem'), expired: read('expired.pem') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const tlsServer = (options: tls.TlsOptions): Promise<Running> =>
  listen(
    tls.createServer(options, (socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    }),
    'https',
  )
