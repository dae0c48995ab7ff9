// What any Node.js webhook gateway must do, and nothing more: read the body, check the signature over the raw bytes, parse,
// answer. Nothing is stored. The distance between this and the gateway is what storing and delivering cost.

import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen, servePeer } from './peer.ts'

const PREFIX = 'sha256='

// Longer than any pause between the phases of a run; Node's own 5 s would cut the generator's connections.
const KEEP_ALIVE_TIMEOUT_MS = 120_000

function signatureMatches(secret: string, header: unknown, body: Buffer): boolean {
  if (typeof header !== 'string' || !header.startsWith(PREFIX)) return false
  const expected = createHmac('sha256', secret).update(body).digest()
  const given = Buffer.from(header.slice(PREFIX.length), 'hex')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

function accept(secret: string, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const [first] = chunks
    const body = chunks.length === 1 && first ? first : Buffer.concat(chunks)
    if (!signatureMatches(secret, request.headers['x-hub-signature-256'], body)) {
      answer(response, 401, { detail: 'invalid signature' })
      return
    }
    const event: unknown = JSON.parse(body.toString())
    const deliveries = typeof event === 'object' ? 1 : 0
    answer(response, 202, { id: `msg_${randomUUID()}`, status: 'queued', deliveries })
  })
}

const handlers = {
  listen: async ({ secret }: { secret: string }): Promise<number> => {
    const server = createServer((request, response) => accept(secret, request, response))
    server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS
    return listen(server)
  },
}

export type CeilingHandlers = typeof handlers

servePeer(handlers)
