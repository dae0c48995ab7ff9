// As many inbox messages as the gateway takes, repeats among them, between two measurements of the bare ceiling.

import { z } from 'zod'
import { counter, get } from '../api.ts'
import { connectInbox, openInbox, REPEAT_EVERY } from '../inbox-session.ts'
import { cpuMs, peakRssMb } from '../processes.ts'
import { heading, latency, line, percentiles, rate, target } from '../report.ts'
import type { Settings } from '../session.ts'
import { measureCeiling } from './ceiling.ts'
import { PER_SECOND_MAX, WARM_UP_SECONDS } from './limits.ts'

const RATIO_MIN = 0.35
const Stats = z.object({ total_messages: z.number() })

export async function inbox(settings: Settings): Promise<boolean> {
  const { seconds, connections } = settings
  heading(`inbox: ${connections} connections, ${seconds} s, one message in ${REPEAT_EVERY} is a repeat`)
  const before = await measureCeiling(settings)
  line('ceiling, before', `${rate(before.perSecond)}   ${percentiles(before.accept)}`)
  await using gateway = await openInbox(settings, 'inbox.db', 0)
  await using generator = await connectInbox(gateway, connections, (WARM_UP_SECONDS + seconds) * PER_SECOND_MAX)
  const warmUp = await generator.ask('run', { seconds: WARM_UP_SECONDS })
  const cpuBefore = cpuMs(gateway.pid)
  const run = await generator.ask('run', { seconds })
  const micros = ((cpuMs(gateway.pid) - cpuBefore) / run.accepted) * 1000
  const { sentMs, answeredMs } = await generator.ask('times')
  const rows = Stats.parse(await get(gateway, '/stats')).total_messages
  const created = await counter(gateway, 'webhook_requests_total{result="created"}')
  const duplicates = await counter(gateway, 'webhook_requests_total{result="duplicate"}')
  const rss = peakRssMb(gateway.pid)
  await generator[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
  const after = await measureCeiling(settings)
  line('ceiling, after', `${rate(after.perSecond)}   ${percentiles(after.accept)}`)

  const perSecond = (run.accepted / (run.endedMs - run.startedMs)) * 1000
  const ratio = perSecond / ((before.perSecond + after.perSecond) / 2)
  line(
    'gateway',
    `${rate(perSecond)}   ${ratio.toFixed(2)} of the ceiling   ${target(ratio >= RATIO_MIN, `≥ ${RATIO_MIN}`)}`,
  )
  const acceptMs = answeredMs.slice(run.firstSeq, run.endSeq).map((at, i) => at - (sentMs[run.firstSeq + i] ?? 0))
  line('accept latency', percentiles(latency(acceptMs)))
  line('CPU per message', `gateway ${micros.toFixed(1)} µs`)
  line('gateway peak RSS', `${rss.toFixed(0)} MB`)
  const sent = warmUp.accepted + run.accepted
  const repeats = Math.floor(run.endSeq / REPEAT_EVERY)
  const isExact = rows === created && created + duplicates === sent && duplicates === repeats
  line('stored exactly once', `${isExact ? 'yes' : 'NO'} (${sent} answered, ${rows} rows, ${duplicates} duplicates)`)
  return isExact
}
