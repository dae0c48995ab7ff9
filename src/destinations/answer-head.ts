/**
 * The first bytes of an answer, read before undici sees them, for two things that undici does not do. Interim answers (1xx)
 * are taken out of the stream: a client has to skip them whether or not it asked for them (RFC 9110, 15.2), and undici ends
 * the connection at a 100. And the final status is known as soon as its line is here, so that it still counts when what
 * follows cannot be read.
 *
 * What is not HTTP is passed on as it came; undici says what is wrong with it. Nothing is once there were too many interim
 * answers.
 */
import { DESTINATION_LIMITS } from './limits.ts'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const SPACE = 32
const ZERO = 48
/** `HTTP/1.1 200`, whose end is known by one byte more. */
const STATUS_AT = 9
const STATUS_END = 12
/** Not an interim answer: the connection speaks something else from here on. */
const SWITCHING_PROTOCOLS = 101

const NOT_HTTP = -1
const INCOMPLETE = 0

const NOTHING: Buffer = Buffer.alloc(0)

type Phase = 'status' | 'interim' | 'passing'

export class AnswerHead {
  #phase: Phase = 'status'
  /** The beginning of a status line. */
  #held = NOTHING
  /** Of the line that is under way in an interim answer: its bytes so far, and whether the last one is a CR. */
  #lineBytes = 0
  #endsInCr = false
  /** Of the final answer; 0 until its line is here. */
  status = 0
  /** Interim answers so far. */
  interim = 0

  /** Another answer begins. */
  begin(): void {
    this.#phase = 'status'
    this.#held = NOTHING
    this.status = 0
    this.interim = 0
  }

  /** What of the next bytes is for undici; possibly nothing. */
  take(chunk: Buffer): Buffer {
    if (this.#phase === 'passing') return chunk
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = NOTHING
    while (rest.length > 0) {
      if (this.#phase === 'interim') {
        const end = this.#endOfHead(rest)
        if (end === -1) return NOTHING
        this.#phase = 'status'
        rest = rest.subarray(end)
        continue
      }
      if (this.interim > DESTINATION_LIMITS.interimAnswersMax) return NOTHING
      // Parsers let line breaks stand before an answer.
      const start = startOf(rest)
      if (start > 0) rest = rest.subarray(start)
      const status = statusOf(rest)
      if (status === INCOMPLETE) {
        this.#held = rest
        return NOTHING
      }
      if (status >= 200 || status === NOT_HTTP || status === SWITCHING_PROTOCOLS) {
        this.#phase = 'passing'
        if (status !== NOT_HTTP) this.status = status
        return rest
      }
      this.interim++
      this.#phase = 'interim'
    }
    return NOTHING
  }

  /** Behind the empty line that ends a head, or -1 when it is not here yet. */
  #endOfHead(bytes: Buffer): number {
    let at = 0
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, at)) {
      const length = this.#lineBytes + end - at
      const isEmpty = length === 0 || (length === 1 && (end > at ? bytes[at] === CARRIAGE_RETURN : this.#endsInCr))
      this.#lineBytes = 0
      at = end + 1
      if (isEmpty) return at
    }
    if (at < bytes.length) {
      this.#lineBytes += bytes.length - at
      this.#endsInCr = bytes.at(-1) === CARRIAGE_RETURN
    }
    return -1
  }
}

function startOf(bytes: Buffer): number {
  let at = 0
  while (bytes[at] === CARRIAGE_RETURN || bytes[at] === LINE_FEED) at++
  return at
}

/** The status of the line that begins here, NOT_HTTP, or INCOMPLETE while the line may still become one. */
function statusOf(bytes: Buffer): number {
  for (let i = 0; i < STATUS_END; i++) {
    const byte = bytes[i]
    if (byte === undefined) return INCOMPLETE
    if (!fits(byte, i)) return NOT_HTTP
  }
  const next = bytes[STATUS_END]
  if (next === undefined) return INCOMPLETE
  if (next !== SPACE && next !== CARRIAGE_RETURN && next !== LINE_FEED) return NOT_HTTP
  let status = 0
  for (let i = STATUS_AT; i < STATUS_END; i++) status = status * 10 + bytes[i]! - ZERO
  return status < 100 ? NOT_HTTP : status
}

const PATTERN = Buffer.from('HTTP/0.0 000')

/** Whether the byte may stand at place `i` of a status line. */
function fits(byte: number, i: number): boolean {
  const expected = PATTERN[i]!
  return expected === ZERO ? byte >= ZERO && byte <= ZERO + 9 : byte === expected
}
