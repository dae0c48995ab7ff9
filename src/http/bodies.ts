/**
 * Holds the bodies that are being received. Each body has its own bound (MAX_BODY), and all of them together have one
 * (MAX_BODY_BYTES_IN_PROGRESS). Bytes count when they arrive, not when they are announced: an announcement costs its
 * sender nothing. Beyond the bound the bodies that began first are refused, because honest ones are complete after a
 * moment. To shut others out, an attacker has to send the whole bound again and again, faster than the others send one
 * body.
 */
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../domain/errors.ts'

const TOO_MANY = 'Too many bodies are on their way at once; nothing was accepted. Try again.'

type Done = (error: Error | null, body?: Buffer) => void

export interface BodyLimits {
  /** Bounds of one body, and of all bodies that are being received, in bytes. */
  bodyBytesMax: number
  bodyBytesInProgressMax: number
}

export class Bodies {
  readonly #limits: BodyLimits
  readonly #onTooMany: () => void
  /** Bodies in the order in which they began. */
  readonly #begun = new Set<Body>()
  #bytes = 0

  constructor(limits: BodyLimits, onTooMany: () => void) {
    this.#limits = limits
    this.#onTooMany = onTooMany
  }

  /** Memory that holds incomplete bodies. */
  get bytes(): number {
    return this.#bytes
  }

  /** Hands over the whole body, or the reason of its refusal; neither when the sender closed before the body's end. */
  read(message: IncomingMessage, done: Done): void {
    const { bodyBytesMax } = this.#limits
    const announced = message.headers['content-length']
    const length = announced === undefined ? null : Number(announced)
    if (length !== null && length > bodyBytesMax) return done(new GatewayError('body_too_large'))

    const body = new Body(length ?? bodyBytesMax)
    const end = (error: Error | null, bytes?: Buffer) => {
      message.off('data', onData).off('end', onEnd).off('error', onGone)
      if (this.#begun.delete(body)) this.#bytes -= body.capacity
      if (error !== null || bytes !== undefined) done(error, bytes)
    }
    body.refuse = () => end(new GatewayError('overloaded', { detail: TOO_MANY }))
    const onData = (chunk: Buffer) => {
      if (body.received + chunk.length > bodyBytesMax) return end(new GatewayError('body_too_large'))
      // Most bodies arrive in one piece. Their bytes are copied, because the piece is part of a larger one with the
      // headers.
      if (body.received === 0 && chunk.length === length) return body.takeWhole(chunk)
      const before = body.capacity
      body.add(chunk)
      this.#begun.add(body)
      this.#bytes += body.capacity - before
      // One piece can double a large body, and the oldest bodies may be small.
      while (this.#bytes > this.#limits.bodyBytesInProgressMax) this.#refuseOldest()
    }
    const onEnd = () => {
      const bytes = body.bytes()
      if (length !== null && bytes.length !== length)
        end(new GatewayError('bad_request', { detail: 'The body is not as long as its Content-Length says.' }))
      else end(null, bytes)
    }
    const onGone = () => end(null)
    message.on('data', onData).on('end', onEnd).on('error', onGone)
    message.resume()
  }

  #refuseOldest(): void {
    const [oldest] = this.#begun
    this.#onTooMany()
    oldest!.refuse()
  }
}

const FIRST_CAPACITY = 16_384
const NO_BYTES = Buffer.alloc(0)

/** Pieces are joined as they arrive: a thousand pieces of one byte take a thousand bytes, and no Buffer each. */
class Body {
  received = 0
  refuse = (): void => {}
  #bytes: Buffer = NO_BYTES
  readonly #capacityMax: number

  constructor(capacityMax: number) {
    this.#capacityMax = capacityMax
  }

  get capacity(): number {
    return this.#bytes.length
  }

  takeWhole(chunk: Buffer): void {
    this.received = chunk.length
    this.#bytes = Buffer.from(chunk)
  }

  add(chunk: Buffer): void {
    const needed = this.received + chunk.length
    if (needed > this.#bytes.length) {
      const doubled = Math.max(FIRST_CAPACITY, this.#bytes.length * 2)
      const bytes = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(doubled, this.#capacityMax)))
      this.#bytes.copy(bytes, 0, 0, this.received)
      this.#bytes = bytes
    }
    chunk.copy(this.#bytes, this.received)
    this.received = needed
  }

  bytes(): Buffer {
    if (this.received === this.#bytes.length) return this.#bytes
    // Later steps keep the body for a while, and count only the bytes of the body.
    return Buffer.from(this.#bytes.subarray(0, this.received))
  }
}
