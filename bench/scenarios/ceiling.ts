// The bare `node:http` server under the same load, with the same generator.

import { SECRET } from '../api.ts'
import type { CeilingHandlers } from '../ceiling.ts'
import type { GeneratorHandlers, Run } from '../generator.ts'
import { cpuMs, startPeer } from '../processes.ts'
import { latency, type Latency } from '../report.ts'
import type { Settings } from '../session.ts'
import { PER_SECOND_MAX, WARM_UP_SECONDS } from './limits.ts'

export interface Ceiling {
  perSecond: number
  accept: Latency
  serverMicros: number
  generatorMicros: number
}

export const answeredAll = (run: Run): boolean => run.accepted === run.endSeq - run.firstSeq

export async function measureCeiling({ seconds, connections }: Settings): Promise<Ceiling> {
  await using server = startPeer<CeilingHandlers>('ceiling')
  await using generator = startPeer<GeneratorHandlers>('generator')
  const port = await server.ask('listen', { secret: SECRET })
  const capacity = (WARM_UP_SECONDS + seconds) * PER_SECOND_MAX
  await generator.ask('connect', { port, path: '/', secret: SECRET, connections, capacity })
  await generator.ask('run', { seconds: WARM_UP_SECONDS })
  const cpuBefore = [cpuMs(server.pid), cpuMs(generator.pid)] as const
  const run = await generator.ask('run', { seconds })
  const cpuAfter = [cpuMs(server.pid), cpuMs(generator.pid)] as const
  if (!answeredAll(run)) throw new Error(`the bare server answered ${JSON.stringify(run.statuses)}`)
  const { sentMs, answeredMs } = await generator.ask('times')
  const acceptMs = answeredMs.slice(run.firstSeq, run.endSeq).map((ms, at) => ms - (sentMs[run.firstSeq + at] ?? 0))
  return {
    perSecond: (run.accepted / (run.endedMs - run.startedMs)) * 1000,
    accept: latency(acceptMs),
    serverMicros: ((cpuAfter[0] - cpuBefore[0]) / run.accepted) * 1000,
    generatorMicros: ((cpuAfter[1] - cpuBefore[1]) / run.accepted) * 1000,
  }
}
