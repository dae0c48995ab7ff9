// Gateways for strangers who speak plain TCP: how much memory and how many files the connections take, and whether others
// are still served.

import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Gateway, peakRssMb, startGateway, within } from '../../bench/processes.ts'
import type { AttackSettings, Check } from '../attack.ts'

const ANSWER_DEADLINE_MS = 10_000

export interface Edge {
  readonly url: string
  readonly pid: number
  readonly rssMb: number
  connect(): Promise<Socket>
}

/** A gateway whose heap ends at 1 GB, after it has made what it makes once. */
export async function openEdge(settings: AttackSettings, environment: NodeJS.ProcessEnv = {}): Promise<Edge> {
  const { pid, port }: Gateway = await startGateway({
    databaseUrl: `sqlite:${join(settings.folder, 'hookferry.db')}`,
    logFile: settings.logFile,
    nodeOptions: ['--max-old-space-size=1024'],
    webhookSecret: 'the inbox secret',
    environment,
  })
  const url = `http://127.0.0.1:${port}`
  for (const path of ['/openapi.json', '/api/v1/openapi.json', '/docs/', '/metrics']) await fetchText(url + path)
  return { url, pid, rssMb: rssMb(pid), connect: () => connectTo(port) }
}

function connectTo(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    // Also when it is refused: that is what some attacks look for.
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).pause()
    socket.on('error', () => resolve(socket))
  })
}

export const connectMany = (edge: Edge, count: number): Promise<Socket[]> =>
  Promise.all(Array.from({ length: count }, () => edge.connect()))

/** Pipelined requests as one text. */
export const gets = (path: string, count: number): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(count)

async function fetchText(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  return answer.text()
}

const rssMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** A figure of the metrics by its name with labels; NaN when it is not there. */
export async function metric(edge: Edge, name: string): Promise<number> {
  const text = await fetchText(`${edge.url}/metrics`).catch(() => '')
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}

export const closed = (reason: string): string => `hookferry_connections_closed_total{reason="${reason}"}`
export const closedBecause = (edge: Edge, reason: string): Promise<number> => metric(edge, closed(reason))

/** Whether a figure of the metrics gets there within a minute, and what it was in the end. */
export async function reaches(edge: Edge, name: string, isThere: (value: number) => boolean): Promise<Check> {
  let last = Number.NaN
  const holds = await within(60_000, async () => isThere((last = await metric(edge, name))))
  return { what: `${name} is ${last}`, holds }
}

export function memoryCheck(edge: Edge, growthMaxMb: number): Check {
  const growthMb = Math.round(peakRssMb(edge.pid) - edge.rssMb)
  return { what: `memory grew by ${growthMb} MB at most (bound: ${growthMaxMb} MB)`, holds: growthMb <= growthMaxMb }
}

/** Whether somebody else gets an answer, and how long that takes. */
export async function servesOthers(edge: Edge): Promise<Check> {
  const startMs = performance.now()
  try {
    await fetchText(`${edge.url}/health/live`)
    return { what: `others are served, after ${Math.round(performance.now() - startMs)} ms`, holds: true }
  } catch (error) {
    return { what: `others are not served: ${(error as Error).message}`, holds: false }
  }
}
