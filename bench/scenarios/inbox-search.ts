// Does searching disturb taking in? A large inbox, a steady moderate load, by turns alone and beside somebody who searches
// all texts without a pause.

import { connectInbox, openInbox } from '../inbox-session.ts'
import type { ListerHandlers } from '../lister.ts'
import { startPeer } from '../processes.ts'
import { heading, latency, line, median, ms, percentiles, target } from '../report.ts'
import type { Run } from '../generator.ts'
import type { Settings } from '../session.ts'
import { WARM_UP_SECONDS } from './limits.ts'

const CONNECTIONS = 16
const PER_SECOND = 1000
const TURNS = 5
const RATIO_MAX = 1.5
const PATHS = [
  '/messages?q=blue%20shirts&limit=100',
  '/messages?q=nowhere%20in%20it',
  '/messages?q=NUMBER%209&offset=500',
]

export async function inboxSearch(settings: Settings): Promise<boolean> {
  const { seconds, rows } = settings
  heading(
    `inbox-search: ${PER_SECOND} messages/s over ${CONNECTIONS} connections into an inbox of ${rows.toLocaleString('en')}`,
  )
  await using gateway = await openInbox(settings, 'search.db', rows)
  const capacity = Math.ceil((WARM_UP_SECONDS + 2 * seconds + 1) * PER_SECOND)
  await using generator = await connectInbox(gateway, CONNECTIONS, capacity)
  await using searcher = startPeer<ListerHandlers>('lister')
  await generator.ask('run', { seconds: WARM_UP_SECONDS, perSecond: PER_SECOND })
  const turn = { seconds: seconds / TURNS, perSecond: PER_SECOND }
  const alone: Run[] = []
  const beside: Run[] = []
  for (let turns = 0; turns < TURNS; turns++) {
    alone.push(await generator.ask('run', turn))
    await searcher.ask('start', { port: gateway.port, paths: PATHS })
    beside.push(await generator.ask('run', turn))
    await searcher.ask('stop')
  }
  const { sentMs, answeredMs } = await generator.ask('times')
  const p99s = (runs: Run[]) =>
    runs.map((run) => {
      const took = answeredMs.slice(run.firstSeq, run.endSeq).map((at, i) => at - (sentMs[run.firstSeq + i] ?? 0))
      return latency(took).p99
    })
  const [p99Alone, p99Beside] = [p99s(alone), p99s(beside)]
  line(
    'accept p99, alone',
    `${ms(median(p99Alone))}   (each turn: ${p99Alone.map((one) => one.toFixed(1)).join(', ')})`,
  )
  line(
    'accept p99, beside searches',
    `${ms(median(p99Beside))}   (each turn: ${p99Beside.map((one) => one.toFixed(1)).join(', ')})`,
  )
  const ratio = median(p99Beside) / median(p99Alone)
  line('p99, beside to alone', `${ratio.toFixed(2)}   ${target(ratio <= RATIO_MAX, `≤ ${RATIO_MAX}`)}`)
  line('searches', percentiles(latency(await searcher.ask('rounds'))))
  return true
}
