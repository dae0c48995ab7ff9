// One gateway with a receiver behind it and a generator in front of it: what every scenario needs.

import { join } from 'node:path'
import { openDoor, SECRET, subscribe, type Door } from './api.ts'
import type { Database } from './database.ts'
import type { GeneratorHandlers, Pace, Run } from './generator.ts'
import { type Gateway, othersCpuMs, type Peer, startGateway, startPeer, within } from './processes.ts'
import type { ReceiverHandlers } from './receiver.ts'

const ARRIVAL_DEADLINE_MS = 30_000
const OTHERS_CORES_MAX = 0.2

export interface Settings {
  seconds: number
  connections: number
  rows: number
  folder: string
  logFile: string
  nodeOptions: readonly string[]
  /** The engine that the gateway is measured on. */
  database: Database
}

export interface Times {
  sentMs: Float64Array
  answeredMs: Float64Array
  arrivedMs: Float64Array
  duplicates: number
}

export interface Session extends AsyncDisposable {
  gateway: Gateway
  generator: Peer<GeneratorHandlers>
  receiver: Peer<ReceiverHandlers>
  subscription: string
  /** Sends events and waits until every accepted one has arrived, 30 s at most. */
  run(pace: Pace): Promise<Run>
  times(): Promise<Times>
  /** A remark when other processes were busy during a run, so that its figures say little. */
  disturbance(): string | undefined
}

export interface SessionOptions {
  settings: Settings
  connections: number
  /** How many events will be sent at most. */
  capacity: number
  databaseName: string
  /** Which API the events come through; the plain one unless told otherwise. */
  door?: Door
  /** Writes into the tables of the gateway while it is stopped. */
  prepare?: (store: { databaseFile: string; subscription: string; targetUrl: string }) => Promise<void>
}

export async function openSession(options: SessionOptions): Promise<Session> {
  const { settings, connections, capacity } = options
  await using stack = new AsyncDisposableStack()
  const receiver = stack.use(startPeer<ReceiverHandlers>('receiver'))
  const targetUrl = `http://127.0.0.1:${await receiver.ask('listen', { capacity })}/hook`
  const databaseFile = join(settings.folder, options.databaseName)
  const databaseUrl = await settings.database.url(databaseFile)
  const start = () => startGateway({ ...settings, databaseUrl })
  let gateway = stack.use(await start())
  const subscription = await subscribe(gateway, targetUrl)
  if (options.prepare) {
    await gateway[Symbol.asyncDispose]()
    await options.prepare({ databaseFile, subscription, targetUrl })
    gateway = stack.use(await start())
  }
  const generator = stack.use(startPeer<GeneratorHandlers>('generator'))
  const door = await openDoor(options.door ?? 'plain', gateway, subscription)
  await generator.ask('connect', { port: gateway.port, ...door, secret: SECRET, connections, capacity })
  let acceptedBefore = 0
  let othersCores = 0
  const owned = stack.move()
  return {
    gateway,
    generator,
    receiver,
    subscription,
    async run(pace) {
      const othersBefore = othersCpuMs()
      const run = await generator.ask('run', pace)
      othersCores = Math.max(othersCores, (othersCpuMs() - othersBefore) / (run.endedMs - run.startedMs))
      acceptedBefore += run.accepted
      await within(ARRIVAL_DEADLINE_MS, async () => (await receiver.ask('count')) >= acceptedBefore)
      return run
    },
    disturbance: () =>
      othersCores > OTHERS_CORES_MAX
        ? `other processes took up to ${othersCores.toFixed(1)} cores meanwhile`
        : undefined,
    times: async () => ({ ...(await generator.ask('times')), ...(await receiver.ask('times')) }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export interface Outcome {
  accepted: number
  missing: number
  lastArrivalMs: number
  accept: Float64Array
  sendToArrival: Float64Array
  answerToArrival: Float64Array
}

/** Joins what generator and receiver saw of one run, by sequence number. */
export function joinTimes(run: Run, { sentMs, answeredMs, arrivedMs }: Times): Outcome {
  const accept: number[] = []
  const sendToArrival: number[] = []
  const answerToArrival: number[] = []
  let lastArrivalMs = run.startedMs
  for (let seq = run.firstSeq; seq < run.endSeq; seq++) {
    const sent = sentMs[seq] ?? 0
    const answered = answeredMs[seq] ?? 0
    const arrived = arrivedMs[seq] ?? 0
    if (answered === 0) continue
    accept.push(answered - sent)
    if (arrived === 0) continue
    sendToArrival.push(arrived - sent)
    answerToArrival.push(arrived - answered)
    lastArrivalMs = Math.max(lastArrivalMs, arrived)
  }
  return {
    accepted: accept.length,
    missing: accept.length - sendToArrival.length,
    lastArrivalMs,
    accept: Float64Array.from(accept),
    sendToArrival: Float64Array.from(sendToArrival),
    answerToArrival: Float64Array.from(answerToArrival),
  }
}
