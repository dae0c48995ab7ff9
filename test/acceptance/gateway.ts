/** Gateways for the acceptance tests: the real server with a file of its own, in this process or in a child. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { expect, vi } from 'vitest'
import type { AppOptions } from '../../src/app/ground.ts'
import { buildApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { createLog } from '../../src/lib/log.ts'

// Every gateway loads the same sources in each of its threads: compiled once, they start in half of the time.
process.env['NODE_COMPILE_CACHE'] ??= new URL('../../node_modules/.cache/compile', import.meta.url).pathname

/** Long enough for a gateway to start on a machine that has much else to do; a test has 30 s. */
const WAIT = { interval: 10, timeout: 25_000 }

/** Asserts what will soon be true: `await soon(() => hook.received.length).toBe(2)`. */
// oxlint-disable-next-line vitest/require-awaited-expect-poll -- whoever asks awaits what is asserted
export const soon = <T>(probe: () => T) => expect.poll(probe, WAIT)

/** The first truthy answer. */
export const eventually = <T>(probe: () => T | Promise<T>) => vi.waitUntil(probe, WAIT)

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  text: string
  json<T>(): T
}

export interface Sending {
  method?: string
  headers?: OutgoingHttpHeaders
  /** Sent as it is. */
  body?: string | Buffer
  /** Sent as JSON. */
  json?: unknown
  /** Sends the body in pieces, without saying how long it is. */
  chunked?: boolean
}

/** One request as it is written, without the conveniences of `fetch`: repeated headers, wrong methods, bodies anywhere. */
export function send(url: string, sending: Sending = {}, agent?: Agent): Promise<Answer> {
  const body = sending.json === undefined ? sending.body : JSON.stringify(sending.json)
  const headers: OutgoingHttpHeaders = { ...sending.headers }
  if (sending.json !== undefined) headers['content-type'] ??= 'application/json'
  if (body !== undefined && sending.chunked !== true) headers['content-length'] ??= Buffer.byteLength(body)
  const method = sending.method ?? (body === undefined ? 'GET' : 'POST')
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method, headers, ...(agent && { agent }) }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        const status = incoming.statusCode ?? 0
        resolve({ status, headers: incoming.headers, bytes, text, json: <T>() => JSON.parse(text) as T })
      })
    })
    outgoing.on('error', reject)
    if (sending.chunked === true && body !== undefined) {
      const bytes = Buffer.from(body)
      const half = Math.floor(bytes.length / 2)
      outgoing.write(bytes.subarray(0, half))
      outgoing.end(bytes.subarray(half))
    } else outgoing.end(body)
  })
}

export interface Subscription {
  id: string
  target_url: string
  event_types: string[]
  description: string
  enabled: boolean
  disabled_reason: string | null
  headers: Record<string, string>
  rate_limit: number | null
  timeout: string | null
  retry_schedule: string[] | null
  has_secret: boolean
  public_key: string | null
  paused_until: string | null
  created_at: string
  updated_at: string
}

export interface Attempt {
  id: string
  webhook_id: string
  subscription_id: string
  target_url: string
  timestamp: string
  attempt: number
  trigger: string
  outcome: string
  status_code: number | null
  error: string | null
  duration_ms: number
  response_body: string | null
}

export interface MessageStatus {
  id: string
  event_type: string
  received_at: string
  status: string
  deliveries: {
    subscription_id: string
    target_url: string
    status: string
    attempts: number
    next_attempt_at: string | null
    last_attempt_at: string | null
  }[]
  attempts: Attempt[]
}

export interface Accepted {
  id: string
  status: string
  deliveries: number
}

export interface Issue {
  loc: (string | number)[]
  msg: string
  type: string
}

export type LogLine = Record<string, unknown>

/** What requests write. Attempts are left out: those of an earlier request may still be on their way. */
const TABLES = ['msg', 'delivery', 'idempotency', 'endpoint'] as const

/** What is asked of a gateway again and again. */
export class Client {
  readonly url: string
  readonly databasePath: string
  readonly agent = new Agent({ keepAlive: true, maxSockets: 128 })
  /** Sent with every request. */
  headers: OutgoingHttpHeaders = {}

  constructor(url: string, databasePath: string) {
    this.url = url
    this.databasePath = databasePath
  }

  send(path: string, sending: Sending = {}): Promise<Answer> {
    return send(this.url + path, { ...sending, headers: { ...this.headers, ...sending.headers } }, this.agent)
  }

  /** Sends what has to be answered with success, and returns the answer's body. */
  async ask<T>(path: string, sending: Sending = {}): Promise<T> {
    const answer = await this.send(path, sending)
    if (answer.status >= 300) throw new Error(`${sending.method ?? ''} ${path}: ${answer.status} ${answer.text}`)
    return answer.json<T>()
  }

  subscribe(settings: { target_url: string } & Record<string, unknown>): Promise<Subscription> {
    return this.ask('/subscriptions', { json: settings })
  }

  /** Deletes what earlier tests subscribed, so that `POST /ingest` reaches nobody else. */
  async unsubscribeAll(): Promise<void> {
    const { data } = await this.ask<{ data: Subscription[] }>('/subscriptions?limit=250')
    await Promise.all(data.map(({ id }) => this.send(`/subscriptions/${id}`, { method: 'DELETE' })))
  }

  ingest(
    subscription: { id: string },
    event: unknown = { n: 1 },
    headers: OutgoingHttpHeaders = {},
  ): Promise<Accepted> {
    return this.ask(`/ingest/${subscription.id}`, { json: event, headers })
  }

  message(id: string): Promise<MessageStatus> {
    return this.ask(`/deliveries/${id}`)
  }

  /** The message once it has the status. */
  async messageWhen(id: string, status: string): Promise<MessageStatus> {
    await soon(async () => (await this.message(id)).status).toBe(status)
    return this.message(id)
  }

  async attempts(subscription: { id: string }, query = ''): Promise<Attempt[]> {
    return (await this.ask<{ data: Attempt[] }>(`/subscriptions/${subscription.id}/attempts${query}`)).data
  }

  /** How many rows there are, read from the file. */
  rows(): Record<(typeof TABLES)[number], number> {
    using database = new DatabaseSync(this.databasePath, { readOnly: true })
    const count = (table: string) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
    return Object.fromEntries(TABLES.map((table) => [table, count(table)])) as Record<(typeof TABLES)[number], number>
  }
}

export type Gateway = Client & AsyncDisposable & { log: LogLine[] }

/** A directory of its own for a database. */
export function temporaryDirectory(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'hookferry-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const environmentFor = (databasePath: string, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  DATABASE_URL: `sqlite:${databasePath}`,
  PORT: '0',
  WEBHOOK_SECRET: 'the inbox secret',
  ALLOWED_SUBNETS: '127.0.0.0/8',
  RETRY_SCHEDULE: '30ms,60ms',
  ...environment,
})

/** A gateway in this process. It keeps its file in `directory`, else in one of its own. */
export async function startGateway(
  environment: NodeJS.ProcessEnv = {},
  directory?: string,
  options: Pick<AppOptions, 'clock'> = {},
): Promise<Gateway> {
  const own = temporaryDirectory()
  const databasePath = join(directory ?? own.path, 'hookferry.db')
  const log: LogLine[] = []
  const sink = { write: (line: string) => void log.push(JSON.parse(line) as LogLine) }
  const app = await buildApp({
    ...options,
    ...readConfig(environmentFor(databasePath, environment)),
    log: createLog('INFO', sink).log,
    onFatal: (error) => void log.push({ fatal: error.message }),
  })
  const client = new Client(await app.listen(), databasePath)
  return Object.assign(client, {
    log,
    async [Symbol.asyncDispose]() {
      client.agent.destroy()
      await app[Symbol.asyncDispose]()
      own[Symbol.dispose]()
    },
  })
}

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

/** The command line in a process of its own, which inherits no settings. */
export class Program implements AsyncDisposable {
  readonly stdout: string[] = []
  stderr = ''
  readonly #child: ChildProcess
  readonly #closed: Promise<number | null>

  /**
   * It runs in `directory`, and keeps its file there unless DATABASE_URL says otherwise. `main` is the program's first file,
   * with options of Node.js before it if need be.
   */
  constructor(
    directory: string,
    environment: NodeJS.ProcessEnv = {},
    args: readonly string[] = [],
    main: readonly string[] = [MAIN],
  ) {
    const { NODE_COMPILE_CACHE } = process.env
    const env = { NODE_COMPILE_CACHE, ...environmentFor(join(directory, 'hookferry.db'), environment) }
    this.#child = spawn(process.execPath, [...main, ...args], {
      cwd: directory === '' ? process.cwd() : directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.stdout.push(line))
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.#closed = new Promise((resolve) => this.#child.once('close', (code) => resolve(code)))
  }

  get log(): LogLine[] {
    return this.stdout.map((line) => JSON.parse(line) as LogLine)
  }

  #ready(): Promise<LogLine> {
    return eventually(() => this.log.find((line) => line['msg'] === 'hookferry is ready'))
  }

  /** Where it listens, once it does. */
  async address(): Promise<string> {
    return String((await this.#ready())['address'])
  }

  /** A client for it, once it listens. */
  async client(): Promise<Client> {
    const { address, database } = await this.#ready()
    return new Client(String(address), String(database))
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The exit code, once the process has ended and all of its output is here; null when a signal ended it. */
  exited(): Promise<number | null> {
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}
