// The least HTTP/1.1 that a benchmark on loopback needs: where does the first message in these bytes end? The generator
// and the receiver share two cores with the gateway; a complete parser would cost more than the work it measures.

const HEAD_END = Buffer.from('\r\n\r\n')
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i
const CHUNKED = /\r\ntransfer-encoding:/i

export interface Frame {
  bodyAt: number
  end: number
}

/** The first message of `bytes`, which starts at `start`, or undefined while it is incomplete. Refuses chunked bodies. */
export function firstFrame(bytes: Buffer, start: number): Frame | undefined {
  const headEnd = bytes.indexOf(HEAD_END, start)
  if (headEnd === -1) return undefined
  const head = bytes.toString('latin1', start, headEnd)
  const length = CONTENT_LENGTH.exec(head)
  if (!length && CHUNKED.test(head)) throw new Error('chunked bodies are beyond this parser')
  const bodyAt = headEnd + HEAD_END.length
  const end = bodyAt + (length ? Number(length[1]) : 0)
  return end <= bytes.length ? { bodyAt, end } : undefined
}
