// npm run demo [-- --rate 3 --minutes 30]
//
// A gateway with something to look at: a database of its own, receivers that are well, flaky and down, and a few events a
// second. Everything stays on loopback and in a temporary folder, and ends with Ctrl-C, or by itself after --minutes.

import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startGateway, stopAll } from '../bench/processes.ts'
import { type DemoReceiver, startReceiver } from './receiver.ts'
import { send, subscribe, type Subscriptions } from './traffic.ts'

const REPORT_EVERY_MS = 5_000

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '3' }, minutes: { type: 'string', default: '30' } },
})

function within(name: string, text: string, max: number): number {
  const value = Number(text)
  if (value > 0 && value <= max) return value
  throw new Error(`--${name} has to be a number above 0 and up to ${max}, not ${text}`)
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)

function introduce(gateway: string, receiver: string, ids: Subscriptions, folder: string): void {
  say(`gateway    ${gateway}    every route in the browser: ${gateway}/docs
receivers  ${receiver}    /well answers 204, /flaky fails every third time, /down always
database   ${join(folder, 'hookferry.db')}    its log: ${join(folder, 'gateway.log')}

Try, in another terminal:
  curl ${gateway}/subscriptions
  curl '${gateway}/messages?limit=3'         # the inbox; repeats are stored once
  curl ${gateway}/stats
  curl -s ${gateway}/metrics | grep ^hookferry_
  # What fails, and why:
  curl '${gateway}/subscriptions/${ids.down}/attempts?limit=3'
  # From now on /down is well: watch what waits catch up.
  curl -X POST ${receiver}/repair

Ctrl-C ends everything and removes the folder.
`)
}

async function report(receiver: DemoReceiver, accepted: () => number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(REPORT_EVERY_MS, undefined, { signal }).catch(() => {})
    const { requests, accepted: fine } = receiver.seen
    say(`${accepted()} events accepted, ${requests} attempts arrived, ${fine} of them answered 2xx`)
  }
}

async function main(folder: string, signal: AbortSignal): Promise<void> {
  const eventsPerSecond = within('rate', values.rate, 50)
  const webhookSecret = randomBytes(24).toString('hex')
  using receiver = await startReceiver()
  await using started = await startGateway({
    databaseUrl: `sqlite:${join(folder, 'hookferry.db')}`,
    logFile: join(folder, 'gateway.log'),
    nodeOptions: [],
    webhookSecret,
    environment: { NODE_ENV: 'development' },
  })
  const gateway = `http://127.0.0.1:${started.port}`
  introduce(gateway, receiver.url, await subscribe(gateway, receiver.url), folder)
  let events = 0
  await Promise.all([
    send({ gateway, webhookSecret, eventsPerSecond }, signal, () => events++),
    report(receiver, () => events, signal),
  ])
}

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
const folder = await mkdtemp(join(tmpdir(), 'hookferry-demo-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

try {
  const time = AbortSignal.timeout(within('minutes', values.minutes, 600) * 60_000)
  await main(folder, AbortSignal.any([ending.signal, time]))
} catch (error) {
  // Ctrl-C reaches the gateway too: a request that it no longer answers is no failure of the demo.
  if (!ending.signal.aborted) {
    process.stderr.write(`demo: ${(error as Error).message}\n`)
    process.exitCode = 1
  }
} finally {
  ending.abort()
  await stopAll()
}
