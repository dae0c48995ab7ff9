import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import { parseSecret, type SigningKey } from '../domain/secret.ts'
import { verifyStandard } from '../domain/signature.ts'
import { systemClock } from '../lib/clock.ts'

const BODY_BYTES_MAX = 16 * 1024 * 1024
const PRINTED_CHARS_MAX = 2_000
const CONNECTIONS_MAX = 256
const TOLERANCE_MS = 5 * 60_000

/** Characters that a terminal would obey, or that would begin another line. */
const CONTROLS = /\p{C}|\u2028|\u2029/gu

const printable = (text: string): string => text.slice(0, PRINTED_CHARS_MAX).replaceAll(CONTROLS, ' ')

/** The options of `hookferry receiver`. */
interface Options {
  host: string
  port: number
  secret: SigningKey
}

/**
 * A receiver for trying the gateway. It prints a line for each request, says whether the signature is valid under
 * `--secret` (`my-secret`), and answers 500 to `/fail`, 200 to all other paths. It listens on this machine only, on
 * port 9000, unless `--host` and `--port` say otherwise, and runs until SIGTERM or SIGINT.
 */
export function receive(args: readonly string[]): void {
  const complain = (problem: string, exitCode: number) => {
    process.stderr.write(`hookferry: ${problem}\n`)
    process.exitCode = exitCode
  }
  let options: Options
  try {
    options = read(args)
  } catch (error) {
    complain(`receiver: ${(error as Error).message}`, 2)
    return
  }
  const server = createServer((request, response) => void answer(request, response, options.secret))
  server.maxConnections = CONNECTIONS_MAX
  server.once('error', (error) => complain(`receiver: ${error.message}`, 1))
  server.listen(options.port, options.host, () => {
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : options.port
    process.stdout.write(`receiver: waiting for deliveries at http://${options.host}:${port}/hook\n`)
  })
  const end = () => {
    server.close()
    server.closeAllConnections()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
}

function read(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '9000' },
      secret: { type: 'string', default: 'my-secret' },
    },
  })
  const { host, port, secret } = values
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Error('--port has to be a number from 0 to 65535')
  return { host, port: Number(port), secret: parseSecret(secret) }
}

async function answer(request: IncomingMessage, response: ServerResponse, secret: SigningKey): Promise<void> {
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > BODY_BYTES_MAX) {
        response.writeHead(413, { connection: 'close' }).end()
        return
      }
      pieces.push(piece)
    }
  } catch {
    return // The sender closed the connection.
  }
  const body = Buffer.concat(pieces)
  const path = printable(request.url ?? '')
  process.stdout.write(`${path} ${printable(body.toString())} signature: ${judge(request, body, secret)}\n`)
  response.writeHead(path === '/fail' ? 500 : 200, { 'content-type': 'text/plain' }).end('thanks\n')
}

/** One of the words that the receiver prints. */
function judge({ headers }: IncomingMessage, body: Buffer, secret: SigningKey): string {
  const one = (name: string) => {
    const value = headers[name] ?? headers[name.replace('webhook', 'svix')]
    return typeof value === 'string' ? value : undefined
  }
  const signature = one('webhook-signature')
  if (signature === undefined) return 'none'
  const isValid = verifyStandard({
    keys: [secret],
    id: one('webhook-id'),
    timestamp: one('webhook-timestamp'),
    signature,
    body,
    now: systemClock.now(),
    toleranceMs: TOLERANCE_MS,
  })
  return isValid ? 'valid' : 'made with another secret'
}
