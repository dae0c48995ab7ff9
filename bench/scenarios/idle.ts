// One event at a time on a quiet gateway: what the group commit and the way through memory add when there is nothing to
// share. 200 events, 20 ms apart.

import { heading, latency, line, note, percentiles, target } from '../report.ts'
import { joinTimes, openSession, type Settings } from '../session.ts'

const EVENTS = 200
const PER_SECOND = 50
const WARM_UP = { seconds: 1, perSecond: PER_SECOND }
const TARGET_MS = 10

export async function idle(settings: Settings): Promise<boolean> {
  heading(`idle: ${EVENTS} events, one every ${1000 / PER_SECOND} ms`)
  const capacity = 2 * (EVENTS + PER_SECOND)
  await using session = await openSession({ settings, connections: 1, capacity, databaseName: 'idle.db' })
  await session.run(WARM_UP)
  const run = await session.run({ seconds: EVENTS / PER_SECOND, perSecond: PER_SECOND })
  const outcome = joinTimes(run, await session.times())
  const toArrival = latency(outcome.sendToArrival)
  line('accept latency', percentiles(latency(outcome.accept)))
  line('send to arrival', `${percentiles(toArrival)}   ${target(toArrival.p99 < TARGET_MS, `p99 < ${TARGET_MS} ms`)}`)
  line(
    'every accepted id arrived',
    outcome.missing === 0 ? `yes (${outcome.accepted})` : `NO (missing ${outcome.missing})`,
  )
  const disturbance = session.disturbance()
  if (disturbance !== undefined) note(disturbance)
  return outcome.missing === 0
}
