// Starting, asking, measuring and stopping the processes of a run. Whatever happens, nothing outlives `stopAll`.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Handlers, listen } from './peer.ts'

/** Signs the tokens that the benchmark uses. */
export const JWT_SECRET = 'benchmark-jwt-secret'

const ANSWER_DEADLINE_MS = 300_000
const START_DEADLINE_MS = 20_000
const STOP_DEADLINE_MS = 15_000
const POLL_MS = 50

// The unit of /proc/<pid>/stat: USER_HZ, which is 100 on every architecture that Node.js runs on.
const MS_PER_TICK = 10
const UTIME_FIELD = 11
const STIME_FIELD = 12

const running = new Set<ChildProcess>()
const stopped = new WeakSet<ChildProcess>()

type Reply<H extends Handlers, K extends keyof H> = Awaited<ReturnType<H[K]>>

export interface Peer<H extends Handlers> extends AsyncDisposable {
  readonly pid: number
  ask<K extends keyof H & string>(question: K, argument?: Parameters<H[K]>[0]): Promise<Reply<H, K>>
}

export interface Gateway extends AsyncDisposable {
  readonly pid: number
  readonly port: number
}

// The last resort, for ends that nobody foresaw: the gateway has no channel that would tell it that its parent is gone.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

function track(child: ChildProcess): number {
  running.add(child)
  child.once('exit', (code, signal) => {
    running.delete(child)
    // Said at once: what fails because of it comes later, and looks like something else.
    if (!stopped.has(child)) process.stderr.write(`${child.spawnargs.at(-1)} ended by itself: ${code ?? signal}\n`)
  })
  if (child.pid === undefined) throw new Error(`${child.spawnfile} could not be started`)
  return child.pid
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  stopped.add(child)
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS)
  await exited
  clearTimeout(kill)
}

export const stopAll = async (): Promise<void> => void (await Promise.all([...running].map(stop)))

/** Starts `bench/<name>.ts` as a process of its own. */
export function startPeer<H extends Handlers>(name: string): Peer<H> {
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const pid = track(child)
  const ask = <K extends keyof H & string>(question: K, argument?: Parameters<H[K]>[0]) =>
    new Promise<Reply<H, K>>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${name}, asked to ${question}: ${why}`))
      const deadline = setTimeout(fail, ANSWER_DEADLINE_MS, 'no answer in time')
      const ended = () => fail('its process ended')
      child.once('exit', ended)
      child.once('message', (answer: Answer<Reply<H, K>>) => {
        clearTimeout(deadline)
        child.off('exit', ended)
        if ('error' in answer) fail(answer.error)
        else resolve(answer.value)
      })
      child.send({ ask: question, argument })
    })
  return { pid, ask, [Symbol.asyncDispose]: () => stop(child) }
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}

export interface GatewayOptions {
  databaseUrl: string
  /** Where its log goes. It logs in every case: what logging costs is part of what is measured. */
  logFile: string
  /** Node.js options, such as `--cpu-prof`. */
  nodeOptions: readonly string[]
  /** The key of the inbox; without one it takes nothing. */
  webhookSecret?: string
  /** Further settings, which win over those of the benchmark. */
  environment?: NodeJS.ProcessEnv
}

/** Starts the gateway and waits until it is live. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const port = await freePort()
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const child = spawn(process.execPath, [...options.nodeOptions, main], {
    stdio: ['ignore', openSync(options.logFile, 'a'), 'inherit'],
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      DATABASE_URL: options.databaseUrl,
      PORT: String(port),
      HOST: '127.0.0.1',
      ALLOWED_SUBNETS: '127.0.0.0/8',
      LOG_LEVEL: 'INFO',
      WEBHOOK_SECRET: options.webhookSecret ?? '',
      JWT_SECRET,
      ...options.environment,
    },
  })
  const pid = track(child)
  const live = await within(START_DEADLINE_MS, () => answersLive(child, port))
  if (!live) throw new Error(`the gateway was not live within ${START_DEADLINE_MS / 1000} s`)
  return { pid, port, [Symbol.asyncDispose]: () => stop(child) }
}

async function answersLive(child: ChildProcess, port: number): Promise<boolean> {
  if (child.exitCode !== null)
    throw new Error(`the gateway ended with code ${child.exitCode}; --log FILE keeps its log`)
  try {
    return (await fetch(`http://127.0.0.1:${port}/health/live`)).ok
  } catch {
    return false
  }
}

/** Asks `done` every 50 ms until it says yes; false when it did not within `deadlineMs`. */
export async function within(deadlineMs: number, done: () => Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + deadlineMs
  while (performance.now() < endMs) {
    if (await done()) return true
    await sleep(POLL_MS)
  }
  return false
}

/** CPU time of a process with all its threads; NaN where there is no /proc. */
export function cpuMs(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`)
  // The second field is the name in parentheses, which may itself contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD])) * MS_PER_TICK
}

/** CPU time that went to processes which have no part in this, up to a constant: only differences mean something. */
export function othersCpuMs(): number {
  const idleMs = cpus().reduce((sum, { times }) => sum + times.idle, 0)
  const ownMs = [process.pid, ...[...running].map((child) => child.pid ?? process.pid)].reduce(
    (sum, pid) => sum + cpuMs(pid),
    0,
  )
  return performance.now() * cpus().length - idleMs - ownMs
}

/** The most memory that a process has had resident so far; NaN where there is no /proc. */
export const peakRssMb = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readProc(`/proc/${pid}/status`))?.[1]) / 1024

function readProc(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
