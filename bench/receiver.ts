// The destination of the deliveries: answers 204 to everything and remembers when each sequence number first arrived.

import { createServer, type Socket } from 'node:net'
import { nowMs } from './clock.ts'
import { readSeq } from './event.ts'
import { firstFrame } from './http-frame.ts'
import { listen, servePeer } from './peer.ts'

const NO_CONTENT = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n')

let arrivedMs = new Float64Array(0)
let arrivals = 0
let duplicates = 0

function record(seq: number): void {
  if (arrivedMs[seq] !== 0) {
    duplicates++
    return
  }
  arrivedMs[seq] = nowMs()
  arrivals++
}

function serve(socket: Socket): void {
  let rest: Buffer | undefined
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    while (at < bytes.length) {
      const frame = firstFrame(bytes, at)
      if (!frame) break
      record(readSeq(bytes, frame.bodyAt))
      socket.write(NO_CONTENT)
      at = frame.end
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined
  })
}

const handlers = {
  /** Opens a port for the events 0 to `capacity` and tells which. */
  listen: async ({ capacity }: { capacity: number }): Promise<number> => {
    arrivedMs = new Float64Array(capacity)
    return listen(createServer(serve))
  },
  count: () => arrivals,
  /** When each event arrived, by sequence number; 0 for those that did not. */
  times: () => ({ arrivedMs, duplicates }),
}

export type ReceiverHandlers = typeof handlers

servePeer(handlers)
