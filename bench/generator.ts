// The load: N keep-alive connections with one request in flight each. Without a pace every connection sends its next
// event as soon as the last one is answered (closed loop). With a pace, events fall due on a schedule and wait for a free
// connection; their latency then counts from the moment they were due, so that a server that stalls cannot hide it by
// slowing the generator down.

import { connect, type Socket } from 'node:net'
import { nowMs } from './clock.ts'
import { type KindName, KINDS, presign, requestTemplate, type RequestTemplate } from './event.ts'
import { firstFrame } from './http-frame.ts'
import { servePeer } from './peer.ts'

const isAccepted = (status: number) => status >= 200 && status < 300
const TICK_MS = 1
const STATUS_AT = 'HTTP/1.1 '.length
const DIGIT_ZERO = 48
const ANSWER_DEADLINE_MS = 30_000
const READ_BUFFER_BYTES = 65_536

export interface Target {
  port: number
  path: string
  secret: string
  connections: number
  /** How many events there are to send, in all runs together: they are signed beforehand. */
  capacity: number
  kind?: KindName
  /** Of the Svix API. */
  token?: string
  /** Every so many-th event is the one before it once more, as a sender repeats itself. */
  repeatEvery?: number
}

export interface Pace {
  seconds: number
  perSecond?: number
}

export interface Run {
  firstSeq: number
  endSeq: number
  startedMs: number
  endedMs: number
  accepted: number
  /** How many answers had which status; 0 stands for a connection that closed without an answer. */
  statuses: Record<string, number>
}

interface Connection {
  socket: Socket
  request: RequestTemplate
  /** The event in flight, -1 when idle. */
  seq: number
  rest: Buffer | undefined
}

let target: Target
let signatures: Buffer
let sentMs: Float64Array
let answeredMs: Float64Array
let idle: Connection[] = []
let nextSeq = 0
let inFlight = 0
let statuses = new Map<number, number>()

/** Called with a connection that has just become free; a run replaces it. */
let onFree = (connection: Connection): void => void idle.push(connection)
let failed = (_error: Error): void => {}

const statusOf = (bytes: Buffer): number =>
  ((bytes[STATUS_AT] ?? 0) - DIGIT_ZERO) * 100 +
  ((bytes[STATUS_AT + 1] ?? 0) - DIGIT_ZERO) * 10 +
  ((bytes[STATUS_AT + 2] ?? 0) - DIGIT_ZERO)

function send(connection: Connection, dueMs: number): void {
  if (nextSeq === target.capacity) {
    failed(new Error(`all ${target.capacity} signed events are used up; the server is faster than expected`))
    return
  }
  const seq = nextSeq++
  inFlight++
  connection.seq = seq
  sentMs[seq] = dueMs
  const { repeatEvery } = target
  const isRepeat = repeatEvery !== undefined && seq % repeatEvery === repeatEvery - 1
  connection.socket.write(connection.request.patch(isRepeat ? seq - 1 : seq))
}

function finish(connection: Connection, status: number): void {
  if (isAccepted(status)) answeredMs[connection.seq] = nowMs()
  statuses.set(status, (statuses.get(status) ?? 0) + 1)
  connection.seq = -1
  inFlight--
}

function receive(connection: Connection, chunk: Buffer): void {
  const bytes = connection.rest ? Buffer.concat([connection.rest, chunk]) : chunk
  if (!firstFrame(bytes, 0)) {
    connection.rest = Buffer.from(bytes)
    return
  }
  connection.rest = undefined
  finish(connection, statusOf(bytes))
  onFree(connection)
}

// All connections read into one buffer: each callback is done with it before the next read.
const readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES)

async function open(): Promise<Connection> {
  const onread = {
    buffer: readBuffer,
    callback(length: number) {
      receive(connection, readBuffer.subarray(0, length))
      return true
    },
  }
  const socket = connect({ host: '127.0.0.1', port: target.port, noDelay: true, onread })
  const request = requestTemplate(target, signatures, KINDS[target.kind ?? 'order'])
  const connection: Connection = { socket, request, seq: -1, rest: undefined }
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.on('error', reject)
  })
  socket.on('close', () => void replace(connection).catch(failed))
  return connection
}

async function replace(connection: Connection): Promise<void> {
  if (connection.seq !== -1) finish(connection, 0)
  idle = idle.filter((other) => other !== connection)
  onFree(await open())
}

async function load({ seconds, perSecond }: Pace): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  failed = reject
  const startMs = nowMs()
  const endMs = startMs + seconds * 1000
  const dueBy = (now: number) =>
    perSecond === undefined ? 0 : Math.floor(((Math.min(now, endMs) - startMs) / 1000) * perSecond)
  // The due times of paced events that found every connection busy, oldest first.
  const waiting: number[] = []
  let due = 0
  onFree = (connection) => {
    const now = nowMs()
    if (perSecond === undefined && now < endMs) send(connection, now)
    else if (waiting.length > 0) send(connection, waiting.shift() ?? now)
    else idle.push(connection)
  }
  for (const connection of idle.splice(0)) onFree(connection)
  const ticking = setInterval(() => {
    const now = nowMs()
    for (const allDue = dueBy(now); due < allDue; due++) {
      const connection = idle.pop()
      if (connection) send(connection, now)
      else waiting.push(now)
    }
    if (now >= endMs && inFlight + waiting.length === 0) resolve()
    if (now >= endMs + ANSWER_DEADLINE_MS) reject(new Error(`${inFlight} requests were never answered`))
  }, TICK_MS)
  await promise.finally(() => clearInterval(ticking))
}

const handlers = {
  connect: async (to: Target): Promise<void> => {
    target = to
    signatures = presign(to.secret, to.capacity, KINDS[to.kind ?? 'order'])
    sentMs = new Float64Array(to.capacity)
    answeredMs = new Float64Array(to.capacity)
    for (let opened = 0; opened < to.connections; opened++) idle.push(await open())
  },
  run: async (pace: Pace): Promise<Run> => {
    const firstSeq = nextSeq
    const startedMs = nowMs()
    statuses = new Map()
    await load(pace)
    let accepted = 0
    for (const [status, count] of statuses) if (isAccepted(status)) accepted += count
    const tally = Object.fromEntries(statuses)
    return { firstSeq, endSeq: nextSeq, startedMs, endedMs: nowMs(), accepted, statuses: tally }
  },
  /** By sequence number: when it was sent (or due), and when it was accepted, or 0. */
  times: () => ({ sentMs, answeredMs }),
}

export type GeneratorHandlers = typeof handlers

servePeer(handlers)
