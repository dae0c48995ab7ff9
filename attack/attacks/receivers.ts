// Receivers that never come to an end of what is no body, to keep the gateway parsing until the time-out.

import { createServer, type Socket } from 'node:net'
import { counter } from '../../bench/api.ts'
import { listen } from '../../bench/peer.ts'
import { cpuMs, type Gateway, peakRssMb, startGateway, within } from '../../bench/processes.ts'
import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import type { Attack, Check } from '../attack.ts'
import { postEvent, subscribeOpenly } from '../targets.ts'

const EVENTS = 40
const TIMEOUT_MS = 5_000
/** An attempt that reads a quarter of a megabyte ends in a few milliseconds; the machine may have other things to do. */
const DURATION_MAX_MS = 2_500
/** Without a bound each kind cost seconds: more than a third of a core until the time-out. */
const CPU_MAX_MS = 1_500
const GROWTH_MAX_MB = 150
const END_DEADLINE_MS = 60_000

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
const KINDS: Readonly<Record<string, readonly [head: string, piece: string]>> = {
  'endless 103s': ['', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  'endless 102s': ['', 'HTTP/1.1 102 Processing\r\n\r\n'],
  'an endless chunk extension': [`${CHUNKED}1;`, 'a'],
  'endless small chunks': [CHUNKED, '1;a=b\r\nx\r\n'],
  'endless trailers': [`${CHUNKED}0\r\n`, 'a: b\r\n'],
  'endless headers': ['HTTP/1.1 200 OK\r\n', 'a: b\r\n'],
  'endless line breaks': ['', '\r\n'],
}

export const receivers: Attack = {
  about: `receivers that send for ever what is no body; ${EVENTS} events to each kind`,
  async run({ folder, logFile }): Promise<Check[]> {
    const gateway = await startGateway({
      databaseUrl: `sqlite:${folder}/receivers.db`,
      logFile,
      nodeOptions: [],
      environment: { RETRY_SCHEDULE: '', DELIVERY_TIMEOUT: `${TIMEOUT_MS}ms`, ENDPOINT_CONCURRENCY: '16' },
    })
    const checks: Check[] = []
    const rssBefore = peakRssMb(gateway.pid)
    for (const [kind, [head, piece]] of Object.entries(KINDS)) checks.push(await play(gateway, kind, head, piece))
    const growth = Math.round(peakRssMb(gateway.pid) - rssBefore)
    const slow = (await ended(gateway)) - (await endedWithin(gateway, DURATION_MAX_MS))
    return [
      ...checks,
      { what: `${slow} attempts took more than half of the time-out`, holds: slow === 0 },
      { what: `memory grew by ${growth} MB at its peak`, holds: growth <= GROWTH_MAX_MB },
    ]
  },
}

async function play(gateway: Gateway, kind: string, head: string, piece: string): Promise<Check> {
  await using receiver = await startReceiver(head, piece)
  const subscription = await subscribeOpenly(gateway, `http://127.0.0.1:${receiver.port}/`)
  const endedBefore = await ended(gateway)
  const cpuBefore = cpuMs(gateway.pid)
  await Promise.all(Array.from({ length: EVENTS }, (_, i) => postEvent(gateway, subscription, `${kind} ${i}`)))
  const areOver = await within(END_DEADLINE_MS, async () => (await ended(gateway)) - endedBefore >= EVENTS)
  const cpu = Math.round(cpuMs(gateway.pid) - cpuBefore)
  const bound = Math.round(DESTINATION_LIMITS.answerBytesOnWire / 1024)
  return {
    what: `${kind}: ${areOver ? 'all' : 'not all'} ended, ${cpu} ms of CPU in all (${bound} KB may come for each)`,
    holds: areOver && !(cpu > CPU_MAX_MS),
  }
}

const ended = (gateway: Gateway) => counter(gateway, 'hookferry_attempt_duration_ms_count')
const endedWithin = (gateway: Gateway, ms: number) =>
  counter(gateway, `hookferry_attempt_duration_ms_bucket{le="${ms}"}`)

/** Writes `head` once and `piece` for as long as somebody reads. */
async function startReceiver(head: string, piece: string) {
  const block = piece.repeat(Math.ceil(32_768 / piece.length))
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.resume()
    socket.once('data', () => {
      const fill = () => {
        while (!socket.destroyed && socket.write(block));
      }
      socket.write(head)
      socket.on('drain', fill)
      fill()
    })
  })
  const port = await listen(server)
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
