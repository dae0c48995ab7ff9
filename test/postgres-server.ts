/**
 * A private PostgreSQL for tests: in a directory of its own, on a port of its own, gone without a trace afterwards.
 * `HOOKFERRY_REQUIRE_SERVERS=1` turns a machine without PostgreSQL from skipped tests into a failure.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chownSync, constants, globSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'

export interface PostgresServer extends AsyncDisposable {
  readonly port: number
  /** Of a database on it. */
  url(database?: string): string
  createDatabase(): Promise<string>
  /** Runs SQL in a database and returns the rows. */
  sql<T = Record<string, unknown>>(url: string, text: string, values?: unknown[]): Promise<T[]>
  /** `fast` ends sessions and shuts down in order; `immediate` is a crash. Resolves when the server has ended. */
  stop(how?: 'fast' | 'immediate'): Promise<void>
  start(): Promise<void>
}

/** Durability costs time and is not what most tests are about; a crash of the server alone loses nothing without it. */
const SETTINGS = {
  fsync: 'off',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  max_wal_size: '1GB',
  log_min_messages: 'fatal',
  timezone: 'UTC',
}

const PASSWORD = 'not-a-secret'
const START_TIMEOUT_MS = 30_000

/** Where the programs are; null when there are none. */
function findPrograms(): string | null {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...globSync('/usr/lib/postgresql/*/bin').toSorted().toReversed(),
    ...globSync('/usr/local/opt/postgresql*/bin'),
    ...globSync('/opt/homebrew/opt/postgresql*/bin'),
  ]
  const isExecutable = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  }
  const has = (folder: string) => isExecutable(join(folder, 'initdb')) && isExecutable(join(folder, 'postgres'))
  return folders.find((folder) => folder !== '' && has(folder)) ?? null
}

/** Why there is no server to test with; null when there is. */
export function missingPostgres(): string | null {
  if (findPrograms() !== null) return null
  const why = 'PostgreSQL’s programs (initdb, postgres) are neither on PATH nor under /usr/lib/postgresql'
  if (process.env['HOOKFERRY_REQUIRE_SERVERS'] === '1') throw new Error(`${why}, and HOOKFERRY_REQUIRE_SERVERS is set`)
  // oxlint-disable-next-line no-console -- a skipped suite has to be heard
  console.warn(`Tests on PostgreSQL are skipped: ${why}.`)
  return why
}

/** The server refuses to be root's: as root it is given to another user. */
function unprivileged(): { command: string[]; uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null
  for (const user of ['postgres', 'nobody']) {
    const ask = (flag: string) => spawnSync('id', [flag, user], { encoding: 'utf8' })
    if (ask('-u').status !== 0) continue
    const uid = Number(ask('-u').stdout)
    const gid = Number(ask('-g').stdout)
    return { command: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'], uid, gid }
  }
  throw new Error('there is no user but root to run PostgreSQL as')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function initialise(folder: string): Promise<{ data: string; command: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'hookferry-postgres-'))
  const user = unprivileged()
  if (user !== null) chownSync(directory, user.uid, user.gid)
  const data = join(directory, 'data')
  const passwordFile = join(directory, 'password')
  writeFileSync(passwordFile, PASSWORD)
  const command = user?.command ?? []
  const [program, ...args] = [
    ...command,
    join(folder, 'initdb'),
    `--pgdata=${data}`,
    '--username=hookferry',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
  ]
  try {
    execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory })
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
  return { data, command }
}

/** Starts a server; `settings` are added to those for tests. Disposing ends it and removes its directory. */
export async function startPostgres(settings: Record<string, string> = {}): Promise<PostgresServer> {
  const folder = findPrograms()
  if (folder === null) throw new Error('there is no PostgreSQL on this machine')
  const { data, command } = await initialise(folder)
  const directory = join(data, '..')
  const port = await freePort()
  const flags = Object.entries({ ...SETTINGS, ...settings, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  let child: ChildProcess | null = null
  const killAtExit = () => {
    child?.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', killAtExit)

  const url = (database = 'postgres') => `postgres://hookferry:${PASSWORD}@127.0.0.1:${port}/${database}`
  const sql = async <T>(to: string, text: string, values: unknown[] = []): Promise<T[]> => {
    const client = new Client({ connectionString: to })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(text, values)).rows as T[]
    } finally {
      await client.end()
    }
  }
  const start = async (): Promise<void> => {
    const [program, ...args] = [...command, join(folder, 'postgres'), '-D', data, ...flags]
    const started = spawn(program!, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory })
    child = started
    let errors = ''
    started.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)))
    for (const deadline = Date.now() + START_TIMEOUT_MS; ;) {
      if (started.exitCode !== null) throw new Error(`PostgreSQL did not start: ${errors}`)
      try {
        await sql(url(), 'SELECT 1')
        return
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`PostgreSQL did not start: ${errors}`, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const stop = async (how: 'fast' | 'immediate' = 'fast'): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
    child = null
  }
  await start()
  let databases = 0
  return {
    port,
    url,
    sql,
    stop,
    start,
    async createDatabase() {
      const name = `test_${process.pid}_${++databases}`
      await sql(url(), `CREATE DATABASE ${name}`)
      return url(name)
    },
    async [Symbol.asyncDispose]() {
      await stop('immediate')
      process.off('exit', killAtExit)
      await rm(directory, { recursive: true, force: true })
    },
  }
}
