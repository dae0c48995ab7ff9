/**
 * A private Redis for tests: on a port of its own, in a directory of its own, gone without a trace afterwards.
 * `HOOKFERRY_REQUIRE_SERVERS=1` turns a machine without Redis from skipped tests into a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Redis } from 'ioredis'

export interface RedisServer extends AsyncDisposable {
  readonly url: string
  /** For the test's own questions; it is there whenever the server is. */
  readonly client: Redis
  /** It holds its connections and says nothing. */
  freeze(): void
  thaw(): void
  /** Ends it at once; what it kept is lost, unless the test saved it. */
  kill(): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
}

const START_TIMEOUT_MS = 10_000

function findProgram(): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
  const isExecutable = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  }
  const programs = folders.filter((folder) => folder !== '').map((folder) => join(folder, 'redis-server'))
  return programs.find(isExecutable) ?? null
}

/** Why there is no server to test with; null when there is. */
export function missingRedis(): string | null {
  if (findProgram() !== null) return null
  const why = 'redis-server is neither on PATH nor in /usr/bin'
  if (process.env['HOOKFERRY_REQUIRE_SERVERS'] === '1') throw new Error(`${why}, and HOOKFERRY_REQUIRE_SERVERS is set`)
  // oxlint-disable-next-line no-console -- a skipped suite has to be heard
  console.warn(`Tests on Redis are skipped: ${why}.`)
  return why
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export async function startRedis(): Promise<RedisServer> {
  const program = findProgram()
  if (program === null) throw new Error('there is no Redis on this machine')
  const directory = mkdtempSync(join(tmpdir(), 'hookferry-redis-'))
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => {})
  let child: ChildProcess | null = null
  const killAtExit = () => {
    child?.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', killAtExit)

  const start = async (): Promise<void> => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no']
    const started = spawn(program, args, { stdio: 'ignore' })
    child = started
    for (const deadline = Date.now() + START_TIMEOUT_MS; ;) {
      if (started.exitCode !== null) throw new Error('Redis did not start')
      if ((await pong(port)) === '+PONG') break
      if (Date.now() > deadline) throw new Error('Redis did not start in time')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await client.ping()
  }
  const kill = async (): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    url,
    client,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await kill()
      process.off('exit', killAtExit)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The server's first word; empty when there is none. */
async function pong(port: number): Promise<string> {
  const probe = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: null, connectTimeout: 500 })
  probe.on('error', () => {})
  try {
    await probe.connect()
    return `+${await probe.ping()}`
  } catch {
    return ''
  } finally {
    probe.disconnect()
  }
}
