/**
 * What comes on a connection, before undici sees it.
 *
 * It is bounded: interim answers, what stands beside the lengths of chunks, and trailers are parsed for as long as they
 * come, which costs CPU, and a header of six bytes becomes hundreds of bytes of memory. undici's own bound on a head is no
 * help: it makes an error for each header that lies beyond it. So bytes and lines are counted, whatever they mean.
 *
 * And what is known of a connection is kept for the moment of its end, for then it has to be judged: was this a kept one that
 * the receiver had closed, did anything of an answer come, was its status among that?
 *
 * And it has an end: the first answer that begins when the connection is old is its last one. undici has an option for
 * that, but looks at the age of every busy connection for each request.
 */
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { AnswerHead } from './answer-head.ts'
import { DESTINATION_LIMITS } from './limits.ts'

/** What may come for one request. */
export interface AnswerBounds {
  bytesMax: number
  linesMax: number
}

export interface WatchOptions {
  bounds: AnswerBounds
  clock: Pick<Clock, 'now'>
  /** A connection that is so old ends with the next answer that begins, ms. */
  oldAfterMs: number
}

/** What was known of a connection when it ended. */
export interface ConnectionEnd {
  /** Requests that were written on it. */
  readonly requests: number
  /** Whether anything came after the last of them. */
  readonly hasBegun: boolean
  /** The final status of the last one's answer; 0 when its line was not here. */
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

/** How the connection ended whose end this error is; null when it is no established connection's. */
export const endOf = (error: unknown): ConnectionEnd | null =>
  error instanceof Error ? (ends.get(error) ?? null) : null

/** How the connection ended that `cut` has ended; null when it has ended none. */
export function endBy(cut: () => void): ConnectionEnd | null {
  lastEnd = null
  cut()
  const end: ConnectionEnd | null = lastEnd
  lastEnd = null
  return end
}

/** The same connector, with connections of which all this is true. */
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
      // Somebody reads on at null only when more comes, and more may be here already.
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
  /** Since the last request. */
  #bytes = 0
  #lines = 0
  isCut = false

  constructor(socket: Socket, options: WatchOptions) {
    this.#socket = socket
    // A tunnel was asked for on it before.
    this.#written = socket.bytesWritten
    this.#options = options
    this.#bornAt = options.clock.now()
  }

  end(): ConnectionEnd {
    this.#noticeRequest()
    return { requests: this.#requests, hasBegun: this.#bytes > 0, status: this.#head.status }
  }

  /** What of the chunk is for undici. */
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

  /** One request at a time is on a connection, and is written in one go: what is written after that is the next one. */
  #noticeRequest(): void {
    const written = this.#socket.bytesWritten
    if (written === this.#written) return
    this.#written = written
    this.#requests++
    this.#bytes = this.#lines = 0
    this.#head.begin()
  }

  /** Counts the chunk; tells where in it the bound is, or null when it is not reached. */
  #endWithin(chunk: Buffer): number | null {
    const { bytesMax, linesMax } = this.#options.bounds
    const room = bytesMax - this.#bytes
    this.#bytes += chunk.length
    // Nobody counts the lines of an answer as short as most are.
    if (this.#bytes > linesMax) {
      for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1))
        if (++this.#lines > linesMax) return Math.min(at, room)
    }
    return chunk.length > room ? room : null
  }

  #cut(error: Error): void {
    this.isCut = true
    // A status may be in what comes before, and undici reads nothing from a socket that is destroyed.
    process.nextTick(() => this.#socket.destroy(error))
  }
}

const LINE_FEED = 10
const ONE = 49
/** In `HTTP/1.1`. */
const MINOR_VERSION_AT = 7
const CLOSE = Buffer.from('connection: close\r\n')

/** The head as if the receiver had said that it closes the connection. One whose first line is incomplete stays as it is. */
function withClose(head: Buffer): Buffer {
  const end = head.indexOf(LINE_FEED) + 1
  if (end === 0) return head
  const changed = Buffer.concat([head.subarray(0, end), CLOSE, head.subarray(end)])
  // In HTTP/1.0 a `keep-alive` would win.
  changed[MINOR_VERSION_AT] = ONE
  return changed
}
