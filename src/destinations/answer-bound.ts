/**
 * A bound on what a receiver sends for one attempt. undici bounds a head and counts a body; but interim answers, what stands
 * beside the lengths of chunks, and trailers are parsed for as long as they come, and that costs CPU. So bytes are counted
 * where they arrive, whatever they mean.
 */
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { LIMITS } from '../domain/limits.ts'

export class AnswerTooLongError extends Error {
  override readonly name = 'AnswerTooLongError'
  readonly code = 'ANSWER_TOO_LONG'

  constructor() {
    super(`more than ${LIMITS.answerBytesOnWire} bytes came for one attempt`)
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

/** One request at a time is on a connection, and is written in one go: what is written after that is the next one. */
function bound(socket: Socket): void {
  let written = 0
  let readBefore = 0
  let read = 0
  // undici's own listener comes after this one, and reads.
  socket.on('readable', () => {
    if (socket.bytesWritten !== written) {
      written = socket.bytesWritten
      readBefore = read
    }
    read = socket.bytesRead
    if (read - readBefore > LIMITS.answerBytesOnWire) socket.destroy(new AnswerTooLongError())
  })
}
