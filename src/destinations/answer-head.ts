/**
 * Reads the first bytes of an answer before undici sees them, for two things that undici does not do.
 *
 * * It takes interim answers (1xx) out of the stream. A client has to skip them whether or not it asked for them (RFC
 * 9110, 15.2), and undici ends the connection at a 100.
 * * It knows the final status as soon as the status line is here, so that the status counts even when the rest cannot
 * be read.
 *
 * Bytes that are not HTTP are passed on unchanged, and undici says what is wrong with them. After too many interim
 * answers nothing is passed on.
 */
import { DESTINATION_LIMITS } from './limits.ts'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const SPACE = 32
const ZERO = 48
/** Length of `HTTP/1.1 200`; one more byte shows where the status ends. */
const STATUS_AT = 9
const STATUS_END = 12
/** 101 is not an interim answer: from here on the connection speaks another protocol. */
const SWITCHING_PROTOCOLS = 101

const NOT_HTTP = -1
const INCOMPLETE = 0

const NOTHING: Buffer = Buffer.alloc(0)

type Phase = 'status' | 'interim' | 'passing'

export class AnswerHead {
  #phase: Phase = 'status'
  /** The beginning of a status line. */
  #held = NOTHING
  /** The line that is being read in an interim answer: its bytes so far, and whether the last byte is a CR. */
  #lineBytes = 0
  #endsInCr = false
  /** Status of the final answer; 0 until its line is here. */
  status = 0
  /** Number of interim answers so far. */
  interim = 0

  /** Starts over: another answer begins. */
  begin(): void {
    this.#phase = 'status'
    this.#held = NOTHING
    this.status = 0
    this.interim = 0
  }

  /** The part of the next bytes that undici gets; it may be empty. */
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
      // HTTP parsers allow line breaks before an answer.
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

  /** The position behind the empty line that ends a head; -1 when that line is not here yet. */
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

/** The status of the line that begins here; NOT_HTTP; or INCOMPLETE while the bytes may still become a status line. */
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

/** Says whether the byte may stand at place `i` of a status line. */
function fits(byte: number, i: number): boolean {
  const expected = PATTERN[i]!
  return expected === ZERO ? byte >= ZERO && byte <= ZERO + 9 : byte === expected
}
