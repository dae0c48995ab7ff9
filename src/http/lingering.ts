/**
 * Handles answers that are given before the whole request has arrived. A client that writes everything before it reads
 * would find the connection reset, and never see why: closing a socket with unread bytes resets it (RFC 9112, 9.6). So
 * the answer is sent and our side is closed. The bytes that still come are read and dropped until their end, or until
 * they are too many, take too long, or stop. Requests that arrive completely before their answer cost none of this.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Longest pause without a byte, and longest time in all, before the connection is closed. */
const IDLE_MS = 5_000
const WHOLE_MS = 30_000
/** Bytes that are dropped: this number times MAX_BODY, and at least the second number. */
const TIMES_BODY = 8
const BYTES_MIN = 16 * 1_048_576

export class Lingering {
  readonly #limits: Limits
  readonly #sockets = new Map<Socket, Lingerer>()
  #isOver = false

  constructor({ bodyBytesMax, sweepEveryMs }: { bodyBytesMax: number; sweepEveryMs: number }) {
    this.#limits = {
      bytesMax: Math.max(TIMES_BODY * bodyBytesMax, BYTES_MIN),
      idleSweepsMax: Math.ceil(IDLE_MS / sweepEveryMs),
      sweepsMax: Math.ceil(WHOLE_MS / sweepEveryMs),
    }
  }

  /** Closes connections that send nothing, or send for too long. Has to be called every `sweepEveryMs`. */
  sweep(): void {
    for (const lingerer of this.#sockets.values()) lingerer.sweep()
  }

  /**
   * Has to be called before an answer is sent. `onClose` is called if that answer is the last one of the connection.
   */
  beforeAnswer(message: IncomingMessage, onClose: () => void): void {
    if (message.complete || !hasBody(message) || this.#isOver) return
    const { socket } = message
    if (socket.destroyed || this.#sockets.has(socket)) return
    const lingerer = this.#add(socket)
    // Node calls this right after the last answer of a connection.
    socket.destroySoon = () => {
      lingerer.isLast = true
      onClose()
      socket.end()
    }
    message.on('data', () => lingerer.look())
    message.once('end', () => {
      this.#sockets.delete(socket)
      lingerer.end()
    })
  }

  /**
   * Takes the place of closing a connection whose last answer was written, and on which Node reads no more requests.
   */
  closeGently(socket: Socket): void {
    if (this.#isOver) return socket.destroySoon()
    const lingerer = this.#sockets.get(socket) ?? this.#add(socket)
    lingerer.isLast = true
    socket.on('data', () => lingerer.look())
    socket.once('end', () => socket.destroy())
    socket.end()
    socket.resume()
  }

  /**
   * True when the bytes that arrive on the connection are being dropped. Also true while Node's parser still reads it,
   * and complains about each piece.
   */
  isDropping(socket: Socket): boolean {
    this.#sockets.get(socket)?.look()
    return this.#sockets.has(socket)
  }

  /** The server closes: it waits for no client any more. */
  stop(): void {
    this.#isOver = true
    for (const lingerer of this.#sockets.values()) lingerer.end()
    this.#sockets.clear()
  }

  #add(socket: Socket): Lingerer {
    const lingerer = new Lingerer(socket, this.#limits, () => this.#sockets.delete(socket))
    this.#sockets.set(socket, lingerer)
    return lingerer
  }
}

interface Limits {
  bytesMax: number
  idleSweepsMax: number
  sweepsMax: number
}

class Lingerer {
  /** The answer was the last one of the connection, and is on its way. */
  isLast = false
  readonly #socket: Socket
  readonly #limits: Limits
  readonly #onClose: () => void
  readonly #from: number
  #read: number
  #sweeps = 0
  #idleSweeps = 0

  constructor(socket: Socket, limits: Limits, onClose: () => void) {
    this.#socket = socket
    this.#limits = limits
    this.#onClose = onClose
    socket.once('close', onClose)
    this.#from = this.#read = socket.bytesRead
  }

  /**
   * Returns the connection to Node, with no listeners left on it: many requests of one connection may end like this.
   */
  end(): void {
    this.#socket.off('close', this.#onClose)
    Reflect.deleteProperty(this.#socket, 'destroySoon')
    if (this.isLast) this.#socket.destroySoon()
  }

  look(): void {
    if (this.#socket.bytesRead - this.#from > this.#limits.bytesMax) this.#socket.destroy()
  }

  sweep(): void {
    const { bytesRead } = this.#socket
    this.#sweeps++
    this.#idleSweeps = bytesRead === this.#read ? this.#idleSweeps + 1 : 0
    this.#read = bytesRead
    // The first byte may come right after the start.
    const isIdle = this.#idleSweeps > this.#limits.idleSweepsMax
    if (isIdle || this.#sweeps > this.#limits.sweepsMax) this.#socket.destroy()
  }
}

/** True when a body was announced. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
