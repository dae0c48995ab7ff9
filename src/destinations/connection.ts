/**
 * Watches a connection's bytes before undici sees them. It does three things.
 *
 * * It bounds them. Interim answers, chunk extensions and trailers are parsed for as long as they come, which costs
 * CPU, and a header of six bytes becomes hundreds of bytes of memory. undici's own bound on a head does not help:
 * undici makes an error for each header beyond that bound. So this module counts bytes and lines, whatever they mean.
 * * It remembers facts for the moment when the connection ends, because the end has to be judged: was this a kept
 * connection that the receiver had closed, did any part of an answer come, and was the status in that part?
 * * It limits the connection's age: the first answer that begins on an old connection is its last one. undici has an
 * option for that, but the option checks the age of every busy connection for each request.
 */
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { AnswerHead } from './answer-head.ts'
import { DESTINATION_LIMITS } from './limits.ts'

/** Bounds on the bytes and lines that may come for one request. */
export interface AnswerBounds {
  bytesMax: number
  linesMax: number
}

export interface WatchOptions {
  bounds: AnswerBounds
  clock: Pick<Clock, 'now'>
  /** Age at which the next answer that begins is the last one on the connection, ms. */
  oldAfterMs: number
}

/** The facts known of a connection when it ended. */
export interface ConnectionEnd {
  /** Number of requests written on the connection. */
  readonly requests: number
  /** True when any byte came after the last request. */
  readonly hasBegun: boolean
  /** Final status of the answer to the last request; 0 when the status line was not here. */
  readonly status: number
}

export class AnswerTooLongError extends Error {
  override readonly name = 'AnswerTooLongError'
  readonly code = 'ANSWER_TOO_LONG'

  constructor() {
    super('too much came for one attempt')
  }
}

export class InterimAnswersError extends Error {
  override readonly name = 'InterimAnswersError'
  readonly code = 'INTERIM_ANSWERS'

  constructor() {
    super('too many interim answers came for one attempt')
  }
}

const ends = new WeakMap<Error, ConnectionEnd>()
let lastEnd: ConnectionEnd | null = null

/**
 * Tells how the connection ended that this error belongs to; null when the error is not from an established connection.
 */
export const endOf = (error: unknown): ConnectionEnd | null =>
  error instanceof Error ? (ends.get(error) ?? null) : null

/** Tells how the connection ended that `cut` ended; null when `cut` ended none. */
export function endBy(cut: () => void): ConnectionEnd | null {
  lastEnd = null
  cut()
  const end: ConnectionEnd | null = lastEnd
  lastEnd = null
  return end
}

/** Returns the same connector; its connections are watched as described above. */
export function watchConnections(connect: buildConnector.connector, options: WatchOptions): buildConnector.connector {
  return (target, callback) =>
    connect(target, (error, socket) => {
      if (error) return callback(error, null)
      watch(socket, options)
      callback(null, socket)
    })
}

function watch(socket: Socket, options: WatchOptions): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null
  const destroy = socket.destroy.bind(socket)
  const connection = new Connection(socket, options)
  socket.read = (size) => {
    for (;;) {
      if (connection.isCut) return null
      const chunk = read(size)
      if (chunk === null) return null
      const rest = connection.take(chunk)
      // null says that nothing is left to read. Node reads on after null only when more bytes come, and some may be
      // here already.
      if (rest.length > 0) return rest
    }
  }
  socket.destroy = (error) => {
    if (!socket.destroyed) {
      lastEnd = connection.end()
      if (error !== undefined) ends.set(error, lastEnd)
    }
    return destroy(error)
  }
}

class Connection {
  readonly #socket: Socket
  readonly #options: WatchOptions
  readonly #bornAt: number
  readonly #head = new AnswerHead()
  #written: number
  #requests = 0
  /** Bytes and lines that came since the last request. */
  #bytes = 0
  #lines = 0
  isCut = false

  constructor(socket: Socket, options: WatchOptions) {
    this.#socket = socket
    // The connection asked for a tunnel before this request.
    this.#written = socket.bytesWritten
    this.#options = options
    this.#bornAt = options.clock.now()
  }

  end(): ConnectionEnd {
    this.#noticeRequest()
    return { requests: this.#requests, hasBegun: this.#bytes > 0, status: this.#head.status }
  }

  /** The part of the chunk that undici gets. */
  take(chunk: Buffer): Buffer {
    this.#noticeRequest()
    const end = this.#endWithin(chunk)
    const hadStatus = this.#head.status > 0
    const rest = this.#head.take(end === null ? chunk : chunk.subarray(0, end))
    if (this.#head.interim > DESTINATION_LIMITS.interimAnswersMax) this.#cut(new InterimAnswersError())
    else if (end !== null) this.#cut(new AnswerTooLongError())
    const isBeginning = !hadStatus && this.#head.status > 0
    return isBeginning && this.#isOld() ? withClose(rest) : rest
  }

  #isOld(): boolean {
    return this.#options.clock.now() - this.#bornAt >= this.#options.oldAfterMs
  }

  /**
   * A connection carries one request at a time, and undici writes it in one go. A later write is therefore the next
   * request.
   */
  #noticeRequest(): void {
    const written = this.#socket.bytesWritten
    if (written === this.#written) return
    this.#written = written
    this.#requests++
    this.#bytes = this.#lines = 0
    this.#head.begin()
  }

  /** Counts the chunk. Returns the position of the bound within the chunk, or null when the bound is not reached. */
  #endWithin(chunk: Buffer): number | null {
    const { bytesMax, linesMax } = this.#options.bounds
    const room = bytesMax - this.#bytes
    this.#bytes += chunk.length
    // Most answers are short, and their lines are not counted.
    if (this.#bytes > linesMax) {
      for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1))
        if (++this.#lines > linesMax) return Math.min(at, room)
    }
    return chunk.length > room ? room : null
  }

  #cut(error: Error): void {
    this.isCut = true
    // The bytes before the bound may hold a status, and undici reads nothing from a socket that is destroyed.
    process.nextTick(() => this.#socket.destroy(error))
  }
}

const LINE_FEED = 10
const ONE = 49
/** Position of the minor version in `HTTP/1.1`. */
const MINOR_VERSION_AT = 7
const CLOSE = Buffer.from('connection: close\r\n')

/**
 * The head, changed as if the receiver had said that it closes the connection. A head with an incomplete first line
 * stays.
 */
function withClose(head: Buffer): Buffer {
  const end = head.indexOf(LINE_FEED) + 1
  if (end === 0) return head
  const changed = Buffer.concat([head.subarray(0, end), CLOSE, head.subarray(end)])
  // In HTTP/1.0 a `keep-alive` would have precedence.
  changed[MINOR_VERSION_AT] = ONE
  return changed
}
