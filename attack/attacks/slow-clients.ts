import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Attack, Check } from '../attack.ts'
import { closedBecause, connectMany, type Edge, memoryCheck, openEdge, servesOthers } from './edge-rig.ts'

const CONNECTIONS = 200
const GROWTH_MAX_MB = 100
/** Node looks every second; the rest is for a machine that has other things to do. */
const LATER_MS = 4_000
const DRIP_MS = 1_000
const DEADLINE_MS = 90_000

const KINDS = [
  { name: 'say nothing', begin: '', drip: '', afterMs: 20_000 },
  { name: 'drip their headers', begin: 'GET / HTTP/1.1\r\n', drip: 'a: b\r\n', afterMs: 20_000 },
  {
    name: 'drip their bodies',
    begin: 'POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n',
    drip: 'x',
    afterMs: 60_000,
  },
  {
    name: 'drip the pieces of their bodies',
    begin: 'POST /webhook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    drip: '1\r\nx\r\n',
    afterMs: 60_000,
  },
]

export const slowClients: Attack = {
  about: `${KINDS.length} times ${CONNECTIONS} clients that never finish their requests; takes a minute`,
  async run(settings) {
    const edge = await openEdge(settings)
    const [served, ...lasted] = await Promise.all([servesOthers(edge), ...KINDS.map((kind) => last(edge, kind))])
    const [headers, bodies] = [await closedBecause(edge, 'slow_headers'), await closedBecause(edge, 'slow_body')]
    return [
      ...lasted,
      { what: `${headers} were counted as slow_headers, ${bodies} as slow_body`, holds: headers === bodies },
      served,
      await servesOthers(edge),
      memoryCheck(edge, GROWTH_MAX_MB),
    ]
  },
}

/** How long clients of a kind are borne with. */
async function last(edge: Edge, { name, begin, drip, afterMs }: (typeof KINDS)[number]): Promise<Check> {
  const startMs = performance.now()
  const sockets = await connectMany(edge, CONNECTIONS)
  const dripping = setInterval(() => sockets.forEach((socket) => socket.writable && socket.write(drip)), DRIP_MS)
  const lasted = await Promise.all(sockets.map((socket) => closing(socket.resume(), begin, startMs)))
  clearInterval(dripping)
  const [shortestMs, longestMs] = [Math.min(...lasted), Math.max(...lasted)]
  return {
    what: `clients that ${name} are cut after ${toSeconds(shortestMs)} to ${toSeconds(longestMs)} s (said: ${toSeconds(afterMs)} s)`,
    holds: shortestMs >= afterMs - LATER_MS && longestMs <= afterMs + LATER_MS,
  }
}

async function closing(socket: Socket, begin: string, startMs: number): Promise<number> {
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(DEADLINE_MS) })
  socket.write(begin)
  await closed.catch(() => socket.destroy())
  return performance.now() - startMs
}

const toSeconds = (ms: number): number => Math.round(ms / 100) / 10
