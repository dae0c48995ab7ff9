/**
 * A bound on what a receiver sends for one attempt. Interim answers, what stands beside the lengths of chunks, and trailers
 * are parsed for as long as they come, which costs CPU, and a header of six bytes becomes hundreds of bytes of memory. undici's
 * own bound on a head is no help: it makes an error for each header that lies beyond it. So bytes and lines are counted,
 * whatever they mean, before undici sees them.
 */
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { LIMITS } from '../domain/limits.ts'

const LINE_FEED = 10

export class AnswerTooLongError extends Error {
  override readonly name = 'AnswerTooLongError'
  readonly code = 'ANSWER_TOO_LONG'

  constructor() {
    super('too much came for one attempt')
  }
}

/** The same connector; its sockets end with an AnswerTooLongError once too much has come since the last request. */
export function boundAnswers(connect: buildConnector.connector): buildConnector.connector {
  return (target, callback) =>
    connect(target, (error, socket) => {
      if (error) return callback(error, null)
      bound(socket)
      callback(null, socket)
    })
}

/** What is read through `socket.read`, as undici does, ends where the bound is. */
function bound(socket: Socket): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null
  let count = { bytes: 0, lines: 0 }
  let written = 0
  let isCut = false
  socket.read = (size) => {
    const chunk = read(size)
    if (chunk === null || isCut) return null
    // One request at a time is on a connection, and is written in one go: what is written after that is the next one.
    if (socket.bytesWritten !== written) {
      written = socket.bytesWritten
      count = { bytes: 0, lines: 0 }
    }
    const end = endWithin(chunk, count)
    if (end === null) return chunk
    isCut = true
    // A status may be in what comes before, and undici reads nothing from a socket that is destroyed.
    process.nextTick(() => socket.destroy(new AnswerTooLongError()))
    return chunk.subarray(0, end)
  }
}

/** Counts the chunk; tells where in it the bound is, or null when it is not reached. */
function endWithin(chunk: Buffer, count: { bytes: number; lines: number }): number | null {
  const room = LIMITS.answerBytesOnWire - count.bytes
  count.bytes += chunk.length
  // Nobody counts the lines of an answer as short as most are.
  if (count.bytes > LIMITS.answerLinesMax) {
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1))
      if (++count.lines > LIMITS.answerLinesMax) return Math.min(at, room)
  }
  return chunk.length > room ? room : null
}
