/** A real HTTP receiver on 127.0.0.1, whose every path is a hook of its own. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: Buffer
  /** When its last byte was here, ms since the epoch. */
  at: number
}

/** A status, a whole answer, or whatever a function does with the response. */
export type Reply =
  | number
  | { status: number; headers?: Record<string, string>; body?: string | Buffer }
  | ((response: ServerResponse, request: IncomingMessage) => void)

/** Takes the request and never answers. */
export const silence: Reply = () => {}

export interface Hook {
  url: string
  received: Received[]
  /** What it answers from now on: one reply after the other, the last one for ever. */
  replies: Reply[]
}

export interface Receiver extends AsyncDisposable {
  port: number
  hook(...replies: Reply[]): Hook
}

export async function startReceiver(): Promise<Receiver> {
  const hooks = new Map<string, Hook>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const hook = hooks.get(url.split('?', 1)[0] ?? '')
      hook?.received.push({ method, url, headers, body: Buffer.concat(chunks), at: Date.now() })
      const reply =
        hook === undefined ? 404 : ((hook.replies.length > 1 ? hook.replies.shift() : hook.replies[0]) ?? 200)
      answer(reply, request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    hook(...replies) {
      const path = `/hook-${hooks.size + 1}`
      const hook: Hook = { url: `http://127.0.0.1:${port}${path}`, received: [], replies }
      hooks.set(path, hook)
      return hook
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function answer(reply: Reply, request: IncomingMessage, response: ServerResponse): void {
  if (typeof reply === 'function') reply(response, request)
  else if (typeof reply === 'number') response.writeHead(reply).end()
  else response.writeHead(reply.status, reply.headers).end(reply.body)
}
