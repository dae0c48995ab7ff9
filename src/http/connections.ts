/**
 * What inbound connections may take: how many there are, how many requests wait on each, how long a peer may leave its answers
 * unread, and how many bytes of bodies are on their way (`bodies.ts`). Every request is begun here, and ended here, or told to be
 * abandoned once its connection is closed. Nothing is allocated for a request but its place in a short list.
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
  /** Requests on one connection that wait for their answers, or are being answered. */
  pipelinedMax: number
  /** How long a peer may read nothing of the answers that wait for it. */
  unreadTimeoutMs: number
}

/**
 * Requests that are open on connections with more than one of them, all together. A connection may always have one, so that this
 * bounds what pipelining takes, of memory (some 6 KB each) and of one turn of the event loop, and refuses nobody who waits for
 * each answer.
 */
const PIPELINED_IN_ALL_MAX = 4_096

const SWEEP_MS = { longest: 5_000, shortest: 50 }

/** What Node refuses before there is a request. */
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

/** How requests end that no answer of the server ends. Each is told once. */
export interface Ends {
  /** The connection was closed before the answer was out. */
  abandoned(reply: FastifyReply): void
  /** The rest of the request could not be read, and `status` was answered in its stead. */
  refused(reply: FastifyReply, status: number): void
  /** There was no request that could be read. Returns the id that it is known by. */
  unreadable(status: number): string
}

interface Connection {
  readonly socket: Socket
  /** Requests that wait for their answers or are being answered, in the order in which they came. */
  readonly open: FastifyReply[]
  /** Nothing more is read from it or answered. */
  isCut: boolean
  /** The last request, if it was answered before all of it was there. */
  answeredEarly: IncomingMessage | null
  /** What was written of the answers at the last sweep, and for how many sweeps it has been the same. */
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

  /** Takes the connections of a server into its care. */
  watch(server: HttpServer, ends: Ends): void {
    this.#ends = ends
    server.maxConnections = this.#limits.connectionsMax
    server.on('drop', () => this.#observer.connectionClosed('too_many'))
    server.on('connection', (socket: Socket) => this.#add(socket))
    // Node would answer by itself what expects something unknown, and hang up on whoever wants a tunnel.
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

  /** Notes that a request is there; false when nobody waits for its answer. */
  begin(reply: FastifyReply): boolean {
    const { socket } = reply.request.raw
    // A name such as localhost has several addresses, and the framework makes servers of its own for all but the first.
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

  /** To be called before an answer goes out, so that its sender can read it even if they are still sending. */
  beforeAnswer({ request: { raw } }: FastifyReply): void {
    if (raw.complete) return
    this.#lingering.beforeAnswer(raw, () => {
      const connection = this.#bySocket.get(raw.socket)
      // Requests that follow could not be answered.
      if (connection !== undefined) connection.isCut = true
    })
  }

  /** The server closes: no answer waits any longer for the rest of its request. */
  close(): void {
    this.#lingering.stop()
  }

  /** Notes that an answer is out; false when the request was told before. */
  end(reply: FastifyReply): boolean {
    const connection = this.#bySocket.get(reply.request.raw.socket)
    const place = connection?.open.indexOf(reply) ?? -1
    if (connection === undefined || place < 0) return false
    // Nearly always it is the first, and `shift` allocates nothing.
    if (place === 0) connection.open.shift()
    else connection.open.splice(place, 1)
    this.#open--
    if (!reply.request.raw.complete) connection.answeredEarly = reply.request.raw
    return true
  }

  /** For what Node could not read, or waited for in vain: answers if the answer can be understood, and closes. */
  refuseUnreadable({ code }: ConnectionError, socket: Socket): void {
    if (this.#lingering.isDropping(socket)) return
    const connection = this.#bySocket.get(socket)
    // Whoever is gone is told of when the connection closes, with all requests that it leaves behind.
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
    // What was answered early has its line in the log, too.
    const requestId = isEarly ? null : isUnfinished ? last.request.id : this.#ends.unreadable(refusal.status)
    // Answers go out in the order of the requests: before another one is answered, this one cannot be.
    const isNext = open.length === Number(isUnfinished) && last?.raw.headersSent !== true
    if (requestId === null || !isNext) return void socket.destroy()
    if (isUnfinished) {
      this.#open--
      this.#ends.refused(open.pop()!, refusal.status)
    }
    socket.write(rawAnswer(refusal, requestId))
    this.#lingering.closeGently(socket)
  }

  /** For a gateway that stops: closes what never asked for anything; nobody could tell when it would. */
  closeSilent(): void {
    for (const { socket } of this.#bySocket.values()) if (socket.bytesRead === 0) socket.destroy()
  }

  /** Later on: closes all that wait for their clients, with the rest of a request or with reading the answer. */
  closeWaiting(): void {
    const isServed = ({ raw, request }: FastifyReply) => request.raw.complete && !raw.writableEnded
    for (const { socket, open } of this.#bySocket.values()) if (!open.some(isServed)) socket.destroy()
  }

  /** Cuts off whoever has read nothing for too long, and says what was closed. To be called every `sweepEveryMs`. */
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
 * Node reads pieces of 64 KB, and hands out all requests of a piece before it looks at anything else: 1,600 of them, which take
 * 4 MB until the connection is closed. Its parser stops where it is told that what follows is no HTTP (2, as for CONNECT).
 */
function stopReading(socket: Socket): void {
  const parser = Reflect.get(socket, 'parser') as { onIncoming?: () => number } | null
  if (parser !== null && typeof parser === 'object') parser.onIncoming = () => 2
}

/**
 * Bytes of the write under way that the system has not taken yet: the one sign of progress while a large answer is written in one
 * piece. Node looks at the same figure for its own time-out of writes, and has no public name for it.
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
