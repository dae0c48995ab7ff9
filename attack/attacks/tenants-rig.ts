// Tenants of one gateway: their tokens, what they ask of the Svix API, and receivers that answer or do not.

import { createServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { JWT_SECRET, startGateway } from '../../bench/processes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'
import type { AttackSettings } from '../attack.ts'

const DAY_MS = 86_400_000
const ANSWER_DEADLINE_MS = 30_000

export interface Said {
  status: number
  body: { id: string; status?: string; code?: string }
}

/** Asks with one token: `what` is a method and a path below `/api/v1`. */
export type Ask = (what: string, json?: unknown) => Promise<Said>

export interface Tenants {
  organization(name: string): Promise<Ask>
  /** Speaks for an application only, as its portal does. */
  portal(organization: string, appId: string): Promise<Ask>
}

export async function openTenants(
  { folder, logFile }: AttackSettings,
  environment: NodeJS.ProcessEnv = {},
): Promise<Tenants> {
  const { port } = await startGateway({
    databaseUrl: process.env['ATTACK_DATABASE_URL'] ?? `sqlite:${join(folder, 'hookferry.db')}`,
    logFile,
    nodeOptions: [],
    environment,
  })
  const tokens = createTokens(hs256(JWT_SECRET), systemClock)
  const asking = async (claims: Record<string, unknown>): Promise<Ask> => {
    const authorization = `Bearer ${await tokens.sign(claims, Date.now() + DAY_MS)}`
    return async (what, json) => {
      const [method = '', path = ''] = what.split(' ')
      const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
        method,
        headers: { authorization, 'content-type': 'application/json' },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? null : JSON.parse(text) }
    }
  }
  return {
    organization: (name) => asking({ sub: `org_${name}` }),
    portal: (name, appId) => asking({ org: `org_${name}`, sub: appId }),
  }
}

export interface Receiver extends AsyncDisposable {
  readonly url: string
}

async function listening(server: Server | HttpServer, end: () => void): Promise<Receiver> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.close()
      end()
    },
  }
}

/** Takes connections and requests, and never answers. `most` says how many were open at a time. */
export async function startSilent(): Promise<Receiver & { readonly most: number }> {
  const sockets = new Set<Socket>()
  let most = 0
  const server = createTcpServer((socket) => {
    most = Math.max(most, sockets.add(socket).size)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
  })
  const receiver = await listening(server, () => sockets.forEach((socket) => socket.destroy()))
  return {
    ...receiver,
    get most() {
      return most
    },
  }
}

/** Answers at once, and says what came. */
export async function startGood(onBody: (body: string) => void): Promise<Receiver> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      onBody(body)
      response.writeHead(204).end()
    })
  })
  return listening(server, () => server.closeAllConnections())
}

/** Does `step` `count` times, one every `everyMs`, whether the last one is over or not. */
export async function atRate(count: number, everyMs: number, step: (index: number) => Promise<unknown>): Promise<void> {
  const startMs = performance.now()
  const all: Promise<unknown>[] = []
  for (let i = 0; i < count; i++) {
    await sleep(Math.max(0, startMs + i * everyMs - performance.now()))
    all.push(step(i))
  }
  await Promise.all(all)
}

/** The value that all but this fraction of them stay below. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
}
