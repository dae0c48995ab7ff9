// As many events as the gateway takes, each delivered to one receiver, between two measurements of the bare ceiling: if
// those two differ much, the machine was busy with something else.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Door, successfulAttempts } from '../api.ts'
import { cpuMs, peakRssMb, within } from '../processes.ts'
import { heading, latency, line, ms, note, percentiles, rate } from '../report.ts'
import { joinTimes, openSession, type Outcome, type Session, type Settings } from '../session.ts'
import type { Run } from '../generator.ts'
import { type Ceiling, measureCeiling } from './ceiling.ts'
import { PER_SECOND_MAX, WARM_UP_SECONDS } from './limits.ts'

const METRICS_DEADLINE_MS = 5000
const SETTLE_MS = 500
const NOISE_MAX = 0.15

interface Measured {
  run: Run
  outcome: Outcome
  acceptedInAll: number
  missingInAll: number
  duplicates: number
  attemptsRecorded: number
  peakRssMb: number
  micros: { gateway: number; generator: number; receiver: number }
  disturbance: string | undefined
}

export const delivery = (settings: Settings): Promise<boolean> => measure(settings, 'delivery', 'plain')

/** The same through the Svix API, every message with an idempotency key, as the official SDKs send them. */
export const svix = (settings: Settings): Promise<boolean> => measure(settings, 'svix', 'svix')

async function measure(settings: Settings, name: string, door: Door): Promise<boolean> {
  heading(`${name}: ${settings.connections} connections, ${settings.seconds} s, ${settings.database.name}`)
  const before = await measureCeiling(settings)
  reportCeiling('ceiling, before', before)
  const measured = await measureGateway(settings, `${name}.db`, door)
  const after = await measureCeiling(settings)
  reportCeiling('ceiling, after', after)
  const noise = Math.abs(before.perSecond - after.perSecond) / Math.max(before.perSecond, after.perSecond)
  if (noise > NOISE_MAX) note(`the ceilings differ by ${(noise * 100).toFixed(0)} %: something else used this machine`)
  return reportGateway(measured, (before.perSecond + after.perSecond) / 2)
}

async function measureGateway(settings: Settings, databaseName: string, door: Door): Promise<Measured> {
  const capacity = (WARM_UP_SECONDS + settings.seconds) * PER_SECOND_MAX
  const { connections } = settings
  await using session = await openSession({ settings, connections, capacity, databaseName, door })
  const warmUp = await session.run({ seconds: WARM_UP_SECONDS })
  await sleep(SETTLE_MS)
  const cpuBefore = cpuOf(session)
  const run = await session.run({ seconds: settings.seconds })
  const cpuAfter = cpuOf(session)
  const spentMs = (who: keyof typeof cpuAfter) => cpuAfter[who] - cpuBefore[who]
  const times = await session.times()
  const outcome = joinTimes(run, times)
  const warmUpOutcome = joinTimes(warmUp, times)
  const perEvent = (who: keyof typeof cpuAfter) => (spentMs(who) / outcome.accepted) * 1000
  const acceptedInAll = run.accepted + warmUp.accepted
  // Attempts are recorded in batches, a moment after the receiver has answered.
  await within(METRICS_DEADLINE_MS, async () => (await successfulAttempts(session.gateway)) >= acceptedInAll)
  return {
    run,
    outcome,
    acceptedInAll,
    missingInAll: outcome.missing + warmUpOutcome.missing,
    duplicates: times.duplicates,
    attemptsRecorded: await successfulAttempts(session.gateway),
    peakRssMb: peakRssMb(session.gateway.pid),
    micros: { gateway: perEvent('gateway'), generator: perEvent('generator'), receiver: perEvent('receiver') },
    disturbance: session.disturbance(),
  }
}

const cpuOf = ({ gateway, generator, receiver }: Session) => ({
  gateway: cpuMs(gateway.pid),
  generator: cpuMs(generator.pid),
  receiver: cpuMs(receiver.pid),
})

function reportCeiling(label: string, { perSecond, accept, serverMicros, generatorMicros }: Ceiling): void {
  const cpu = `CPU/event: server ${serverMicros.toFixed(1)} µs, generator ${generatorMicros.toFixed(1)} µs`
  line(label, `${rate(perSecond)}   ${percentiles(accept)}   ${cpu}`)
}

function reportGateway(measured: Measured, ceilingPerSecond: number): boolean {
  const { run, outcome, micros } = measured
  const acceptedPerSecond = (outcome.accepted / (run.endedMs - run.startedMs)) * 1000
  const deliveredPerSecond = ((outcome.accepted - outcome.missing) / (outcome.lastArrivalMs - run.startedMs)) * 1000
  const share = (perSecond: number) => `${((perSecond / ceilingPerSecond) * 100).toFixed(0)} % of the ceiling`
  const whole = measured.missingInAll === 0
  line('gateway, accepted', `${rate(acceptedPerSecond)}   ${share(acceptedPerSecond)}`)
  line('gateway, delivered end to end', `${rate(deliveredPerSecond)}   ${share(deliveredPerSecond)}`)
  line('last arrival after the last answer', ms(Math.max(0, outcome.lastArrivalMs - run.endedMs)))
  line('accept latency', percentiles(latency(outcome.accept)))
  line('send to arrival', percentiles(latency(outcome.sendToArrival)))
  line('answer to arrival', percentiles(latency(outcome.answerToArrival)))
  line('gateway peak RSS', `${measured.peakRssMb.toFixed(0)} MB`)
  line(
    'CPU per event',
    `gateway ${micros.gateway.toFixed(1)} µs, generator ${micros.generator.toFixed(1)} µs, receiver ${micros.receiver.toFixed(1)} µs`,
  )
  const answers = Object.entries(run.statuses).map(([status, count]) => `${count} × ${status}`)
  line('answers', answers.join(', '))
  line(
    'every accepted id arrived',
    `${whole ? 'yes' : 'NO'} (${measured.acceptedInAll} accepted, missing ${measured.missingInAll}, duplicates ${measured.duplicates})`,
  )
  const same = measured.attemptsRecorded === measured.acceptedInAll
  line(
    'attempts recorded as success',
    `${measured.attemptsRecorded} ${same ? '(= accepted)' : '(DIFFERS from accepted)'}`,
  )
  if (measured.disturbance !== undefined) note(measured.disturbance)
  if (run.accepted < run.endSeq - run.firstSeq) note('some requests were not accepted: see the answers above')
  return whole
}
