/** A real name server on 127.0.0.1 that answers as a test tells it, or not at all. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/** What is asked: a name in lower case, and `A` or `AAAA`. */
export interface Question {
  name: string
  type: string
}

export interface Answer {
  /** RFC 1035, 4.1.1: 0 found, 2 server failure, 3 no such name, 5 refused. */
  code?: number
  addresses?: readonly string[]
  ttlSeconds?: number
  /** There is more than fits: the question has to be asked again over TCP. */
  isTruncated?: boolean
  /** What is sent in place of an answer. */
  raw?: Buffer
}

/** `overTcp` says how it came. Null is silence. */
export type Answering = (question: Question, overTcp: boolean) => Answer | null | Promise<Answer | null>

export interface NameServer extends AsyncDisposable {
  /** As `DNS_SERVERS` takes it. */
  readonly address: string
  /** `name type` of every question, in the order in which they came, with `tcp` behind those that came so. */
  readonly questions: readonly string[]
}

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA' }

export async function startNameServer(answering: Answering): Promise<NameServer> {
  const questions: string[] = []
  const reply = async (query: Buffer, overTcp: boolean): Promise<Buffer | null> => {
    const { question, end } = read(query)
    questions.push(`${question.name} ${question.type}${overTcp ? ' tcp' : ''}`)
    const answer = await answering(question, overTcp)
    return answer && (answer.raw ?? write(query, end, question, answer))
  }

  const tcp = createServer((socket) => serveTcp(socket, reply))
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as { port: number }
  const udp = dgram.createSocket('udp4')
  let isClosed = false
  udp.on('message', (query, { port: from, address }) => {
    void reply(query, false).then((answer) => answer && !isClosed && udp.send(answer, from, address))
  })
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  return {
    address: `127.0.0.1:${port}`,
    questions,
    async [Symbol.asyncDispose]() {
      isClosed = true
      udp.close()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}

function serveTcp(socket: Socket, reply: (query: Buffer, overTcp: boolean) => Promise<Buffer | null>): void {
  let bytes = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
      const query = bytes.subarray(2, 2 + bytes.readUInt16BE(0))
      bytes = bytes.subarray(2 + query.length)
      void reply(query, true).then((answer) => {
        if (answer === null) return
        const length = Buffer.alloc(2)
        length.writeUInt16BE(answer.length)
        socket.write(Buffer.concat([length, answer]))
      })
    }
  })
}

function read(query: Buffer): { question: Question; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]!; length !== 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const type = TYPES[query.readUInt16BE(at + 1)] ?? '?'
  return { question: { name: labels.join('.').toLowerCase(), type }, end: at + 5 }
}

function write(query: Buffer, end: number, { type }: Question, answer: Answer): Buffer {
  const { code = 0, addresses = [], ttlSeconds = 60, isTruncated = false } = answer
  const fitting = addresses.filter((address) => address.includes(':') === (type === 'AAAA'))
  const head = Buffer.from(query.subarray(0, end))
  head.writeUInt16BE(0x8180 | (isTruncated ? 0x0200 : 0) | code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(isTruncated ? 0 : fitting.length, 6)
  head.writeUInt32BE(0, 8)
  const records = fitting.map((address) => {
    const data = bytesOf(address)
    const record = Buffer.alloc(12)
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(type === 'AAAA' ? 28 : 1, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(ttlSeconds, 6)
    record.writeUInt16BE(data.length, 10)
    return Buffer.concat([record, data])
  })
  return Buffer.concat([head, ...(isTruncated ? [] : records)])
}

function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':')).map((group) => Number.parseInt(group, 16))
  const before = groups(head)
  const after = groups(tail)
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]))
}
