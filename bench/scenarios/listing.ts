// Does reading disturb taking in? A store with many messages, a steady moderate load, by turns alone and beside somebody
// who lists attempts, deliveries and metrics without a pause. Short turns, compared by their medians: a disk that stalls
// once in ten seconds for reasons of its own would otherwise decide which of the two looks slow.

import type { FillHandlers } from '../fill.ts'
import type { Run } from '../generator.ts'
import type { ListerHandlers } from '../lister.ts'
import { startPeer } from '../processes.ts'
import { heading, latency, type Latency, line, median, ms, note, percentiles, target } from '../report.ts'
import { joinTimes, openSession, type Settings, type Times } from '../session.ts'
import { WARM_UP_SECONDS } from './limits.ts'

const CONNECTIONS = 16
const PER_SECOND = 1000
const TURNS = 5
const RATIO_MAX = 1.5

export async function listing(settings: Settings): Promise<boolean> {
  const { seconds, rows } = settings
  heading(
    `listing: ${PER_SECOND} events/s over ${CONNECTIONS} connections into a store of ${rows.toLocaleString('en')} messages`,
  )
  await using session = await openSession({
    settings,
    connections: CONNECTIONS,
    capacity: Math.ceil((WARM_UP_SECONDS + 2 * seconds) * PER_SECOND),
    databaseName: 'listing.db',
    async prepare(store) {
      await using filler = startPeer<FillHandlers>('fill')
      await filler.ask('fill', { ...store, rows })
    },
  })
  await using lister = startPeer<ListerHandlers>('lister')
  await session.run({ seconds: WARM_UP_SECONDS, perSecond: PER_SECOND })
  const turn = { seconds: seconds / TURNS, perSecond: PER_SECOND }
  const alone: Run[] = []
  const beside: Run[] = []
  for (let turns = 0; turns < TURNS; turns++) {
    alone.push(await session.run(turn))
    await lister.ask('start', { port: session.gateway.port, subscription: session.subscription })
    beside.push(await session.run(turn))
    await lister.ask('stop')
  }
  const roundsMs = await lister.ask('rounds')
  const whole = report(await session.times(), alone, beside)
  line('listings', `${roundsMs.length} rounds of three, each ${percentiles(latency(roundsMs))}`)
  const disturbance = session.disturbance()
  if (disturbance !== undefined) note(disturbance)
  return whole
}

function report(times: Times, alone: Run[], beside: Run[]): boolean {
  const outcomesAlone = alone.map((run) => joinTimes(run, times))
  const outcomesBeside = beside.map((run) => joinTimes(run, times))
  const turnsAlone = outcomesAlone.map(({ accept }) => latency(accept))
  const turnsBeside = outcomesBeside.map(({ accept }) => latency(accept))
  line('accept latency, alone', typical(turnsAlone))
  line('accept latency, beside listings', typical(turnsBeside))
  const ratio = median(turnsBeside.map(({ p99 }) => p99)) / median(turnsAlone.map(({ p99 }) => p99))
  line('p99, beside to alone', `${ratio.toFixed(2)}   ${target(ratio <= RATIO_MAX, `≤ ${RATIO_MAX}`)}`)
  const outcomes = [...outcomesAlone, ...outcomesBeside]
  const missing = outcomes.reduce((sum, outcome) => sum + outcome.missing, 0)
  const accepted = outcomes.reduce((sum, outcome) => sum + outcome.accepted, 0)
  line('every accepted id arrived', missing === 0 ? `yes (${accepted})` : `NO (missing ${missing})`)
  return missing === 0
}

function typical(turns: Latency[]): string {
  const p99s = turns.map(({ p99 }) => p99)
  const each = p99s.map((p99) => p99.toFixed(1)).join(', ')
  return `p50 ${ms(median(turns.map(({ p50 }) => p50)))}   p99 ${ms(median(p99s))}   (p99 of each turn: ${each})`
}
