/**
 * Answers that are the same for every client. Each is made once, when it is first asked for, and sent from one Buffer.
 * A thousand answers that wait for a slow reader take the memory of one, and none of them opens a file.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../lib/clock.ts'

export interface Constant {
  type: string
  body: Buffer
  etag: string
}

export function constant(type: string, body: Buffer | string): Constant {
  const bytes = Buffer.from(body)
  return { type, body: bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` }
}

/** Makes a value on first use. After a failure the next use tries again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null
  return () => {
    made ??= make().catch((error: unknown) => {
      made = null
      throw error
    })
    return made
  }
}

/** Answers with all of the content, or with 304 to a client that has it already. */
export function sendConstant(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, body, etag }: Constant,
): FastifyReply {
  reply.header('etag', etag).header('cache-control', 'no-cache')
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  return reply.header('content-type', type).send(body)
}

/**
 * Makes a value at most `perSecond` times a second, for any number of callers: the others get the last value. A caller
 * that comes while the value is being made waits for that same value.
 */
export function atMost<T>(perSecond: number, clock: Clock, make: () => Promise<T>): () => Promise<T> {
  let second = Number.NaN
  let count = 0
  let last: Promise<T> | null = null
  let isMaking = false
  return () => {
    const now = Math.floor(clock.now() / 1_000)
    if (now !== second) [second, count] = [now, 0]
    if (last !== null && (isMaking || count >= perSecond)) return last
    count++
    isMaking = true
    last = make().finally(() => (isMaking = false))
    return last
  }
}
