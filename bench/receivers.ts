// npm run receivers [-- name … --events 10000 --log FILE]
//
// Real receivers with their defaults behind one gateway: every event has to arrive, and no attempt may fail. The events come in
// bursts, with pauses that are as long as the receivers, or the gateway, keep idle connections. Loopback only; it ends by itself.

import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { closedPort, postEvent, subscribeOpenly } from '../attack/targets.ts'
import { type Gateway, startGateway, stopAll, within } from './processes.ts'
import { ENVIRONMENT, type Kind, KINDS, missing } from './receivers/kinds.ts'

const BURSTS = 40
const SENDERS = 16
const START_DEADLINE_MS = 60_000
const END_DEADLINE_MS = 120_000
/** Of the receivers 2 s and 5 s, of the gateway 3 s (5 s less its margin) and 4 s; each a little shorter and longer. */
const PAUSES_MS = [0, 1_990, 2_000, 2_010, 2_990, 3_010, 3_990, 4_010, 4_990, 5_010]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { events: { type: 'string', default: '10000' }, log: { type: 'string', default: '/dev/null' } },
})
const folder = mkdtempSync(join(tmpdir(), 'hookferry-receivers-'))
// Apache's workers have another user.
chmodSync(folder, 0o755)
const started: ChildProcess[] = []

interface Receiver {
  name: string
  subscription: string
}

async function start(name: string, kind: Kind): Promise<number> {
  const at = { folder: join(folder, name), port: await closedPort() }
  mkdirSync(at.folder)
  copyFileSync(fileURLToPath(new URL('receivers/index.php', import.meta.url)), join(at.folder, 'index.php'))
  await kind.prepare?.(at)
  const [program = '', ...args] = kind.command(at)
  // A group of its own: `go run` and gunicorn start further processes.
  const child = spawn(program, args, { cwd: at.folder, env: ENVIRONMENT, stdio: 'ignore', detached: true })
  child.on('error', (error) => process.stderr.write(`${name}: ${error.message}\n`))
  started.push(child)
  const answers = await within(START_DEADLINE_MS, () => isUp(at.port))
  if (!answers) throw new Error(`${name} did not answer within ${START_DEADLINE_MS / 1_000} s`)
  return at.port
}

const isUp = async (port: number): Promise<boolean> => {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' })).ok
  } catch {
    return false
  }
}

async function send(gateway: Gateway, { name, subscription }: Receiver, count: number): Promise<void> {
  let next = 0
  const sender = async () => {
    while (next < count) await postEvent(gateway, subscription, `${name} ${next++}`)
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
}

/** Attempts by outcome, of one subscription. */
function attempts(
  databaseFile: string,
  { subscription }: Receiver,
): { success: number; failed: number; words: string } {
  using db = new DatabaseSync(databaseFile, { readOnly: true })
  const one = (where: string) =>
    db
      .prepare(`SELECT count(*) AS n, max(error) AS words FROM attempt WHERE endpoint_id = ? AND ${where}`)
      .get(subscription)
  const failed = one("outcome <> 'success'")
  return {
    success: Number(one("outcome = 'success'")?.['n']),
    failed: Number(failed?.['n']),
    words: String(failed?.['words'] ?? ''),
  }
}

async function main(): Promise<boolean> {
  const perBurst = Math.ceil(Number(values.events) / BURSTS)
  const databaseFile = join(folder, 'receivers.db')
  const gateway = await startGateway({ databaseUrl: `sqlite:${databaseFile}`, logFile: values.log, nodeOptions: [] })
  const receivers: Receiver[] = []
  for (const name of positionals.length > 0 ? positionals : Object.keys(KINDS)) {
    const kind = KINDS[name]
    if (kind === undefined) throw new Error(`no receiver ${name}; there are ${Object.keys(KINDS).join(', ')}`)
    const lacks = missing(kind)
    if (lacks.length > 0) process.stdout.write(`${name}: not tried, for there is no ${lacks.join(' ')}\n`)
    else
      receivers.push({
        name,
        subscription: await subscribeOpenly(gateway, `http://127.0.0.1:${await start(name, kind)}/`),
      })
  }
  for (let burst = 0; burst < BURSTS; burst++) {
    await Promise.all(receivers.map((receiver) => send(gateway, receiver, perBurst)))
    await sleep(PAUSES_MS[burst % PAUSES_MS.length])
  }
  const expected = perBurst * BURSTS
  const areOver = (receiver: Receiver) => attempts(databaseFile, receiver).success >= expected
  await within(END_DEADLINE_MS, async () => receivers.every(areOver))
  let held = receivers.length > 0
  for (const receiver of receivers) {
    const { success, failed, words } = attempts(databaseFile, receiver)
    const holds = success === expected && failed === 0
    held &&= holds
    const about = KINDS[receiver.name]?.about
    process.stdout.write(`${holds ? 'held' : 'BROKEN'}  ${receiver.name}: ${success} of ${expected} arrived, `)
    process.stdout.write(`${failed} attempts failed${words === '' ? '' : ` (${words})`}; ${about}\n`)
  }
  return held
}

async function leave(exitCode: number): Promise<never> {
  for (const { pid } of started) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGTERM')
    } catch {
      // It has ended by itself.
    }
  }
  await stopAll()
  rmSync(folder, { recursive: true, force: true })
  process.exit(exitCode)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(130))

try {
  await leave((await main()) ? 0 : 1)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  await leave(1)
}
