// A tenant whose endpoint has a name that no name server ever answers for. Everybody else's deliveries go on as before.

import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { counter } from '../../bench/api.ts'
import { listen } from '../../bench/peer.ts'
import { type Gateway, startGateway, within } from '../../bench/processes.ts'
import { startNameServer } from '../../test/destinations/name-server.ts'
import type { Attack, Check } from '../attack.ts'
import { postEvent, subscribeOpenly } from '../targets.ts'

const SILENT_EVENTS = 40
/** Of the other tenant, in each of the two parts of the run; together they take as long as a lookup may last. */
const EVENTS = 150
const EVERY_MS = 25
const ARRIVAL_DEADLINE_MS = 10_000
/** What the attack may multiply the others' p99 by, and a floor that a busy machine alone reaches. */
const RATIO_MAX = 3
const FLOOR_MS = 50

export const silentDns: Attack = {
  about: `${SILENT_EVENTS} events to a name whose name server is silent; the p99 of others must not change`,
  async run({ folder, logFile }): Promise<Check[]> {
    await using stack = new AsyncDisposableStack()
    const nameServer = stack.use(
      await startNameServer(({ name }) =>
        name.startsWith('silent') ? null : { addresses: ['127.0.0.1'], ttlSeconds: 0 },
      ),
    )
    const arrivals = stack.use(await startArrivals())
    const gateway = await startGateway({
      databaseUrl: `sqlite:${folder}/silent-dns.db`,
      logFile,
      nodeOptions: [],
      environment: { DNS_SERVERS: nameServer.address, RETRY_SCHEDULE: '1s,1s,1s' },
    })
    const healthy = await subscribeOpenly(gateway, `http://receiver.example:${arrivals.port}/`)
    const silent = await subscribeOpenly(gateway, `http://silent.example:${arrivals.port}/`)

    await sendPaced(gateway, healthy, 0)
    const before = await arrivals.latencies(0)
    await Promise.all(Array.from({ length: SILENT_EVENTS }, (_, i) => postEvent(gateway, silent, `silent ${i}`)))
    await within(ARRIVAL_DEADLINE_MS, async () => nameServer.questions.some((one) => one.startsWith('silent')))
    const lookupsSeen: number[] = []
    const watching = watch(gateway, lookupsSeen)
    await sendPaced(gateway, healthy, EVENTS)
    await watching
    const during = await arrivals.latencies(EVENTS)

    const [calm, attacked] = [p99(before), p99(during)]
    const most = Math.max(...lookupsSeen)
    return [
      { what: `${during.length} of ${EVENTS} events of the others arrived meanwhile`, holds: during.length === EVENTS },
      {
        what: `their p99 was ${calm.toFixed(1)} ms before and ${attacked.toFixed(1)} ms during the attack`,
        holds: attacked <= Math.max(RATIO_MAX * calm, FLOOR_MS),
      },
      { what: `at most ${most} names were looked up at once, one of them all the time`, holds: most <= 2 && most >= 1 },
    ]
  },
}

const p99 = (latencies: readonly number[]): number =>
  latencies.toSorted((a, b) => a - b)[Math.ceil(latencies.length * 0.99) - 1] ?? Infinity

const sentAt = new Map<string, number>()

/** At fixed times, whatever becomes of those before. */
async function sendPaced(gateway: Gateway, subscription: string, first: number): Promise<void> {
  const sending: Promise<void>[] = []
  const start = performance.now()
  for (let i = 0; i < EVENTS; i++) {
    await sleep(Math.max(0, start + i * EVERY_MS - performance.now()))
    sentAt.set(String(first + i), performance.now())
    sending.push(postEvent(gateway, subscription, String(first + i)))
  }
  await Promise.all(sending)
}

/** Asks a few times how many names are being looked up, while the paced events go out. */
async function watch(gateway: Gateway, seen: number[]): Promise<void> {
  for (let i = 0; i < 5; i++) {
    seen.push(await counter(gateway, 'hookferry_dns_lookups_in_flight'))
    await sleep((EVENTS * EVERY_MS) / 6)
  }
}

async function startArrivals() {
  const arrivedAt = new Map<string, number>()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      arrivedAt.set((JSON.parse(text) as { event: string }).event, performance.now())
      // Each delivery has to look the name up again.
      response.writeHead(200, { connection: 'close' }).end()
    })
  })
  const port = await listen(server)
  const of = (first: number): number[] =>
    Array.from({ length: EVENTS }, (_, i) => String(first + i))
      .map((event) => (arrivedAt.get(event) ?? NaN) - (sentAt.get(event) ?? NaN))
      .filter((latency) => !Number.isNaN(latency))
  return {
    port,
    /** From sending to arriving, ms, of the events from `first` on; waits a while for the last ones. */
    async latencies(first: number): Promise<number[]> {
      await within(ARRIVAL_DEADLINE_MS, async () => of(first).length === EVENTS)
      return of(first)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
