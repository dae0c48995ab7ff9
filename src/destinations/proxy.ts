/**
 * Connects through an HTTP proxy. Each connection has its own tunnel by CONNECT (RFC 9110, 9.3.6), for http and https
 * targets.
 *
 * The proxy gets the target's name and resolves it, because only the proxy may be able to. So the guard sees no
 * address. The guard still refuses what the URL itself shows (an address, a local name); the proxy has to keep names
 * away from the internal network. Excepted targets are connected to directly, with the whole guard.
 */
import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { isExcepted, type ProxySettings } from './proxy-url.ts'

type Connector = buildConnector.connector

/** The proxy cannot be used at all. The error says nothing about a target. */
export class ProxyUnusableError extends Error {
  override readonly name = 'ProxyUnusableError'
  readonly code = 'PROXY_UNUSABLE'
}

/**
 * The proxy does not connect to this target. The message is for the owner of the endpoint, and says nothing about the
 * proxy.
 */
export class ProxyRefusalError extends Error {
  override readonly name = 'ProxyRefusalError'
  readonly code = 'PROXY_REFUSAL'
}

export interface ThroughProxyOptions extends ProxySettings {
  /** The connector for excepted targets. */
  direct: Connector
  /** Time-out of each step: the connection to the proxy, its answer, the handshake with the target. */
  connectTimeoutMs: number
  verifyTls: boolean
  clock: Pick<Clock, 'after'>
}

export function throughProxy(options: ThroughProxyOptions): Connector {
  const { proxy, direct, connectTimeoutMs: timeout, verifyTls, clock } = options
  const isDirect = isExcepted(options.exceptions)
  const toProxy = buildConnector({ allowH2: false, timeout })
  const overTunnel = buildConnector({ allowH2: false, timeout, rejectUnauthorized: verifyTls })
  const { protocol, hostname, port } = proxy
  return (target, callback) => {
    if (isDirect(target.hostname)) return direct(target, callback)
    toProxy({ protocol, hostname, host: hostname, port }, (error, socket) => {
      if (error) {
        callback(new ProxyUnusableError('the proxy cannot be reached', { cause: error }), null)
        return
      }
      const authority = `${target.hostname}:${target.port || (target.protocol === 'https:' ? '443' : '80')}`
      const { authorization } = proxy
      openTunnel(socket, { authority, authorization, timeoutMs: timeout, clock }, (refusal) => {
        if (refusal !== null) callback(refusal, null)
        else if (target.protocol === 'https:') overTunnel({ ...target, httpSocket: socket }, callback)
        else callback(null, socket)
      })
    })
  }
}

/** No proxy needs more bytes than this before a tunnel. */
const HEAD_BYTES_MAX = 16_384
const HEAD_END = Buffer.from('\r\n\r\n')

interface Tunnel {
  authority: string
  authorization: string | null
  timeoutMs: number
  clock: Pick<Clock, 'after'>
}

/**
 * Asks for the tunnel and calls back once: with null when the socket is a tunnel; otherwise with an error, and the
 * socket is destroyed.
 */
function openTunnel(
  socket: Socket,
  { authority, authorization, timeoutMs, clock }: Tunnel,
  done: (refusal: Error | null) => void,
): void {
  let head = Buffer.alloc(0)
  const end = (refusal: Error | null) => {
    timer.cancel()
    socket.off('readable', read).off('error', broken).off('close', broken)
    if (refusal !== null) socket.on('error', () => {}).destroy()
    done(refusal)
  }
  const broken = () => end(new ProxyUnusableError('the proxy closed the connection before it answered'))
  const timer = clock.after(timeoutMs, () => end(new ProxyUnusableError('the proxy did not answer in time')))
  const read = () => {
    for (;;) {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      head = Buffer.concat([head, chunk])
      const at = head.indexOf(HEAD_END)
      if (at < 0 && head.length > HEAD_BYTES_MAX)
        return end(new ProxyUnusableError('the proxy answered without an end'))
      if (at < 0) continue
      const rest = head.subarray(at + HEAD_END.length)
      const refusal = refusalIn(head.toString('latin1', 0, at))
      if (refusal === null && rest.length > 0) socket.unshift(rest)
      return end(refusal)
    }
  }
  socket.on('readable', read).on('error', broken).on('close', broken)
  const credentials = authorization === null ? '' : `Proxy-Authorization: ${authorization}\r\n`
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`)
}

function refusalIn(head: string): Error | null {
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(head)?.[1] ?? 0)
  if (status >= 200 && status < 300) return null
  if (status === 0) return new ProxyUnusableError('the proxy does not speak HTTP/1.1')
  if (status === 407) return new ProxyUnusableError('the proxy wants another user or password (407)')
  return new ProxyRefusalError(`the proxy of the gateway did not connect to it (${status})`)
}
