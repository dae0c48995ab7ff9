/**
 * Bounds inbound connections: how many there are, how many requests wait on each, how long a peer may leave its answers
 * unread, and how many bytes of bodies are on their way (`bodies.ts`). Every request begins here. It ends here as well,
 * or is told to be abandoned once its connection is closed. A request allocates only its place in a short list.
 */
import { type IncomingMessage, type Server as HttpServer, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyReply } from 'fastify'
import { type ErrorCode, GatewayError } from '../domain/errors.ts'
import type { CloseReason, Observer } from '../telemetry/events.ts'
import { Bodies, type BodyLimits } from './bodies.ts'
import { bodyFor } from './errors.ts'
import { Lingering } from './lingering.ts'

export interface ConnectionLimits extends BodyLimits {
  connectionsMax: number
  /** Requests on one connection that wait for their answers or are being answered. */
  pipelinedMax: number
  /** Longest time that a peer may read nothing of its waiting answers. */
  unreadTimeoutMs: number
}

/**
 * Requests that are open on connections with more than one of them, all together. A connection may always have one. So
 * this bounds the cost of pipelining, in memory (some 6 KB each) and in one turn of the event loop, and refuses no
 * client that waits for each answer.
 */
const PIPELINED_IN_ALL_MAX = 4_096

const SWEEP_MS = { longest: 5_000, shortest: 50 }

/** Refusals by Node before there is a request. */
const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}

/** Node's parser ends a request at a method that it does not know, before there is a path to allow others for. */
const UNKNOWN_METHOD = {
  code: 'HPE_INVALID_METHOD',
  detail: 'The request could not be read: it does not begin with a method that is registered for HTTP.',
}

const refusalFor = (code = ''): GatewayError =>
  code === UNKNOWN_METHOD.code
    ? new GatewayError('bad_request', UNKNOWN_METHOD)
    : new GatewayError(REFUSALS[code] ?? 'bad_request')

/** Reports requests that end without an answer of the server. Each is reported once. */
export interface Ends {
  /** The connection was closed before the answer was out. */
  abandoned(reply: FastifyReply): void
  /** The rest of the request could not be read, and `status` was answered instead. */
  refused(reply: FastifyReply, status: number): void
  /** No request could be read. Returns the id of this event. */
  unreadable(status: number): string
}

interface Connection {
  readonly socket: Socket
  /** Requests that wait for their answers or are being answered, in the order in which they came. */
  readonly open: FastifyReply[]
  /** True when nothing more is read from the connection or answered. */
  isCut: boolean
  /** The last request, if it was answered before all of it had arrived. */
  answeredEarly: IncomingMessage | null
  /** Bytes of the answers written at the last sweep, and the number of sweeps since that figure last changed. */
  completed: number
  queued: number
  stalledSweeps: number
}

type ClosedObserver = Pick<Observer, 'connectionClosed' | 'connectionsSwept'>

export class Connections {
  readonly bodies: Bodies
  readonly #lingering: Lingering
  readonly sweepEveryMs: number
  readonly #limits: ConnectionLimits
  readonly #observer: ClosedObserver
  readonly #bySocket = new Map<Socket, Connection>()
  #open = 0
  #ends: Ends = { abandoned: () => {}, refused: () => {}, unreadable: () => '' }

  constructor(limits: ConnectionLimits, observer: ClosedObserver) {
    this.#limits = limits
    this.#observer = observer
    this.bodies = new Bodies(limits, () => observer.connectionClosed('too_many_bodies'))
    this.sweepEveryMs = Math.min(SWEEP_MS.longest, Math.max(SWEEP_MS.shortest, limits.unreadTimeoutMs / 4))
    this.#lingering = new Lingering({ bodyBytesMax: limits.bodyBytesMax, sweepEveryMs: this.sweepEveryMs })
  }

  get count(): number {
    return this.#bySocket.size
  }

  /** Watches the connections of a server. */
  watch(server: HttpServer, ends: Ends): void {
    this.#ends = ends
    server.maxConnections = this.#limits.connectionsMax
    server.on('drop', () => this.#observer.connectionClosed('too_many'))
    server.on('connection', (socket: Socket) => this.#add(socket))
    // By default Node answers an unknown expectation itself, and closes the connection of a client that wants a tunnel.
    server.on('checkExpectation', (request, response) => server.emit('request', request, response))
    server.on('connect', ({ socket }: IncomingMessage) => {
      this.#refuse(this.#bySocket.get(socket) ?? this.#add(socket), new GatewayError('method_not_allowed'))
    })
  }

  #add(socket: Socket): Connection {
    const connection: Connection = {
      socket,
      open: [],
      isCut: false,
      answeredEarly: null,
      completed: 0,
      queued: 0,
      stalledSweeps: 0,
    }
    if (!socket.destroyed) this.#bySocket.set(socket, connection)
    socket.once('close', () => {
      this.#bySocket.delete(socket)
      this.#open -= connection.open.length
      for (const reply of connection.open.splice(0)) this.#ends.abandoned(reply)
    })
    return connection
  }

  /** Notes that a request has arrived; false when no client waits for its answer. */
  begin(reply: FastifyReply): boolean {
    const { socket } = reply.request.raw
    // A name such as localhost has several addresses, and the framework makes its own servers for all but the first.
    const connection = this.#bySocket.get(socket) ?? this.#add(socket)
    if (connection.isCut || socket.destroyed) return false
    const count = connection.open.length
    if (count >= this.#limits.pipelinedMax || (count > 0 && this.#open >= PIPELINED_IN_ALL_MAX)) {
      this.#cut(connection, 'pipelined')
      return false
    }
    connection.answeredEarly = null
    connection.open.push(reply)
    this.#open++
    return true
  }

  /** Has to be called before an answer goes out, so that a sender that is still sending can read the answer. */
  beforeAnswer({ request: { raw } }: FastifyReply): void {
    if (raw.complete) return
    this.#lingering.beforeAnswer(raw, () => {
      const connection = this.#bySocket.get(raw.socket)
      // Requests that follow could not be answered.
      if (connection !== undefined) connection.isCut = true
    })
  }

  /** The server closes: from now on no answer waits for the rest of its request. */
  close(): void {
    this.#lingering.stop()
  }

  /** Notes that an answer is out; false when the request was reported before. */
  end(reply: FastifyReply): boolean {
    const connection = this.#bySocket.get(reply.request.raw.socket)
    const place = connection?.open.indexOf(reply) ?? -1
    if (connection === undefined || place < 0) return false
    // Nearly always the request is the first, and `shift` allocates nothing.
    if (place === 0) connection.open.shift()
    else connection.open.splice(place, 1)
    this.#open--
    if (!reply.request.raw.complete) connection.answeredEarly = reply.request.raw
    return true
  }

  /**
   * Handles what Node could not read, or waited for in vain: answers if the client can understand the answer, and
   * closes.
   */
  refuseUnreadable({ code }: ConnectionError, socket: Socket): void {
    if (this.#lingering.isDropping(socket)) return
    const connection = this.#bySocket.get(socket)
    // A client that is gone is reported when the connection closes, with all requests that it leaves behind.
    if (connection === undefined || connection.isCut || code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else this.#refuse(connection, refusalFor(code))
  }

  #refuse(connection: Connection, refusal: GatewayError): void {
    const { socket, open, answeredEarly } = connection
    const last = open.at(-1)
    const isEarly = answeredEarly?.complete === false
    const isUnfinished = last?.request.raw.complete === false
    connection.isCut = true
    this.#observer.connectionClosed(closeReason(refusal, isEarly || isUnfinished))
    // A request that was answered early has its line in the log, too.
    const requestId = isEarly ? null : isUnfinished ? last.request.id : this.#ends.unreadable(refusal.status)
    // Answers go out in the order of the requests: while another one is to be answered first, this one cannot be.
    const isNext = open.length === Number(isUnfinished) && last?.raw.headersSent !== true
    if (requestId === null || !isNext) return void socket.destroy()
    if (isUnfinished) {
      this.#open--
      this.#ends.refused(open.pop()!, refusal.status)
    }
    socket.write(rawAnswer(refusal, requestId))
    this.#lingering.closeGently(socket)
  }

  /**
   * For a gateway that stops: closes connections that never sent a request, because it is unknown when one would come.
   */
  closeSilent(): void {
    for (const { socket } of this.#bySocket.values()) if (socket.bytesRead === 0) socket.destroy()
  }

  /**
   * For a later moment of the stop: closes connections that wait for their clients, to send the rest of a request or to
   * read the answer.
   */
  closeWaiting(): void {
    const isServed = ({ raw, request }: FastifyReply) => request.raw.complete && !raw.writableEnded
    for (const { socket, open } of this.#bySocket.values()) if (!open.some(isServed)) socket.destroy()
  }

  /**
   * Closes the connections of peers that have read nothing for too long, and reports them. Has to be called every
   * `sweepEveryMs`.
   */
  sweep(): void {
    const sweepsMax = Math.ceil(this.#limits.unreadTimeoutMs / this.sweepEveryMs)
    for (const connection of this.#bySocket.values()) {
      const { socket } = connection
      const completed = socket.bytesWritten - socket.writableLength
      const queued = queuedBytes(socket)
      const isStalled = completed === connection.completed && queued === connection.queued
      connection.completed = completed
      connection.queued = queued
      connection.stalledSweeps = isStalled && socket.writableLength > 0 ? connection.stalledSweeps + 1 : 0
      if (connection.stalledSweeps >= sweepsMax) this.#cut(connection, 'unread')
    }
    this.#lingering.sweep()
    this.#observer.connectionsSwept()
  }

  #cut(connection: Connection, reason: CloseReason): void {
    if (!connection.isCut || reason === 'unread') this.#observer.connectionClosed(reason)
    connection.isCut = true
    stopReading(connection.socket)
    connection.socket.destroy()
  }
}

/**
 * Node reads pieces of 64 KB, and hands out all requests of a piece before it does anything else: 1,600 of them, which
 * take 4 MB until the connection is closed. Its parser stops when it is told that the following bytes are no HTTP (2,
 * as for CONNECT).
 */
function stopReading(socket: Socket): void {
  const parser = Reflect.get(socket, 'parser') as { onIncoming?: () => number } | null
  if (parser !== null && typeof parser === 'object') parser.onIncoming = () => 2
}

/**
 * Bytes of the present write that the system has not taken yet: the only sign of progress while a large answer is
 * written in one piece. Node uses the same figure for its own time-out of writes, and has no public name for it.
 */
const queuedBytes = (socket: Socket): number =>
  (Reflect.get(socket, '_handle') as { writeQueueSize?: number } | null)?.writeQueueSize ?? 0

function closeReason(refusal: GatewayError, hasHeaders: boolean): CloseReason {
  if (refusal.code !== 'request_timeout') return 'unreadable'
  return hasHeaders ? 'slow_body' : 'slow_headers'
}

function rawAnswer(refusal: GatewayError, requestId: string): string {
  const body = JSON.stringify(bodyFor(refusal))
  return (
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\nx-request-id: ${requestId}\r\n` +
    `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
    `connection: close\r\n\r\n${body}`
  )
}
