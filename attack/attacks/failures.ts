// Attempts that all fail, for long: what one of them leaves behind in memory would add up.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { counter } from '../../bench/api.ts'
import { type Gateway, startGateway, within } from '../../bench/processes.ts'
import type { Attack, Check } from '../attack.ts'
import { closedPort, postEvent, subscribeOpenly } from '../targets.ts'

const SUBSCRIPTIONS = 100
const ATTEMPTS_PER_EVENT = 20
const PARTS = 4
const EVENTS_PER_PART = 2_500
const ATTEMPTS_PER_PART = EVENTS_PER_PART * ATTEMPTS_PER_EVENT
const SENDERS = 32
const PART_DEADLINE_MS = 300_000
/** From the end of the first part on; by then everything that is made once was made. */
const HEAP_GROWTH_MAX_MB = 10
const RSS_GROWTH_MAX_MB = 60

/** Lets the attack ask for a collection, so that garbage does not count. */
const COLLECT_ON_SIGNAL = ['--expose-gc', '--import', 'data:text/javascript,process.on("SIGUSR2",()=>{gc();gc()})']

export const failures: Attack = {
  about: `${PARTS * ATTEMPTS_PER_PART} attempts, or --attempts, to ${SUBSCRIPTIONS} subscriptions where nobody listens`,
  async run({ folder, logFile, attempts: wanted }): Promise<Check[]> {
    const parts = wanted === null ? PARTS : Math.max(2, Math.ceil(wanted / ATTEMPTS_PER_PART))
    const gateway = await startGateway({
      databaseUrl: `sqlite:${folder}/failures.db`,
      logFile,
      nodeOptions: COLLECT_ON_SIGNAL,
      environment: {
        RETRY_SCHEDULE: Array(ATTEMPTS_PER_EVENT - 1)
          .fill('1ms')
          .join(','),
        LOG_LEVEL: 'ERROR',
      },
    })
    const subscriptions: string[] = []
    for (let i = 0; i < SUBSCRIPTIONS; i++)
      subscriptions.push(await subscribeOpenly(gateway, `http://127.0.0.1:${await closedPort()}/`))
    const sizes: Size[] = []
    for (let part = 1; part <= parts; part++) {
      await send(gateway, subscriptions)
      const expected = part * ATTEMPTS_PER_PART
      if (!(await within(PART_DEADLINE_MS, async () => (await attempts(gateway)) >= expected)))
        return [{ what: `${await attempts(gateway)} of ${expected} attempts were made in time`, holds: false }]
      sizes.push(await measure(gateway))
    }
    return ['heapMb' as const, 'rssMb' as const].map((kind) => growth(kind, sizes))
  },
}

async function send(gateway: Gateway, subscriptions: readonly string[]): Promise<void> {
  let next = 0
  const sender = async () => {
    while (next < EVENTS_PER_PART) {
      const event = next++
      await postEvent(gateway, subscriptions[event % subscriptions.length]!, `event ${event}`)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
}

const attempts = async (gateway: Gateway): Promise<number> =>
  (await counter(gateway, 'hookferry_attempts_total{outcome="failed_attempt"}')) +
  (await counter(gateway, 'hookferry_attempts_total{outcome="failure"}'))

interface Size {
  heapMb: number
  rssMb: number
}

async function measure(gateway: Gateway): Promise<Size> {
  // What ends a moment after the last attempt, such as its record, is not left behind.
  await sleep(1_000)
  process.kill(gateway.pid, 'SIGUSR2')
  await sleep(1_000)
  const rssMb = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1_024
  return { rssMb, heapMb: (await counter(gateway, 'nodejs_heap_size_used_bytes')) / 1_048_576 }
}

function growth(kind: keyof Size, sizes: readonly Size[]): Check {
  const figures = sizes.map((size) => Math.round(size[kind]))
  const max = kind === 'heapMb' ? HEAP_GROWTH_MAX_MB : RSS_GROWTH_MAX_MB
  const name = kind === 'heapMb' ? 'heap' : 'resident memory'
  return {
    what: `${name} after each ${ATTEMPTS_PER_PART} attempts: ${figures.join(', ')} MB`,
    holds: figures.at(-1)! - figures[0]! <= max,
  }
}
