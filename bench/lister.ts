// Somebody who looks at everything, all the time: one request after the other over one connection, round and round.

import { Agent, get } from 'node:http'
import { z } from 'zod'
import { nowMs } from './clock.ts'
import { servePeer } from './peer.ts'

const Attempts = z.object({ data: z.array(z.object({ webhook_id: z.string() })) })

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const roundsMs: number[] = []
let stopping = new AbortController()
let ended = Promise.resolve()

/** Everything there is of a subscription, or the given paths. */
export type ListerTarget = { port: number } & ({ subscription: string } | { paths: string[] })

function read(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => (body += text))
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`GET ${path} answered ${response.statusCode}: ${body}`))
      })
    })
    request.on('error', reject)
  })
}

async function look(target: ListerTarget, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const startedMs = nowMs()
    if ('paths' in target) for (const path of target.paths) await read(target.port, path)
    else await readAll(target)
    roundsMs.push(nowMs() - startedMs)
  }
}

async function readAll({ port, subscription }: { port: number; subscription: string }): Promise<void> {
  const attempts = await read(port, `/subscriptions/${subscription}/attempts?limit=100`)
  const oldest = Attempts.parse(JSON.parse(attempts)).data.at(-1)
  if (oldest) await read(port, `/deliveries/${oldest.webhook_id}`)
  await read(port, '/metrics')
}

const handlers = {
  start: (target: ListerTarget): void => {
    stopping = new AbortController()
    ended = look(target, stopping.signal)
    // Whoever asks to stop is told; until then a failure must not end the process.
    ended.catch(() => {})
  },
  stop: async (): Promise<void> => {
    stopping.abort()
    await ended
  },
  /** How long each round of three requests took. */
  rounds: () => Float64Array.from(roundsMs),
}

export type ListerHandlers = typeof handlers

servePeer(handlers)
