import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Gateway, startGateway, within } from '../../bench/processes.ts'
import type { Attack, AttackSettings, Check } from '../attack.ts'
import { isRunning, missingFrom, type Storm, storm } from './crash-rig.ts'

const CONNECTIONS = 32
const STORM_MS = 1_000
const END_DEADLINE_MS = 10_000
/** The lock is looked at once a second; the rest is what a busy machine needs to end a process. */
const LOCK_BOUND_MS = 4_000

interface Case {
  name: string
  take: (file: string) => void
  /** How long the gateway may go on answering 202 for what is sent after that. */
  boundMs: number
  /** The file in which everything that was answered 202 has to be afterwards; null when it is gone by intent. */
  keptIn: ((file: string) => string) | null
}

const remove = (file: string, suffixes: readonly string[]) => {
  for (const suffix of suffixes) rmSync(file + suffix)
}

const CASES: readonly Case[] = [
  {
    name: 'database, log and shared memory are deleted',
    take: (file) => remove(file, ['', '-wal', '-shm']),
    boundMs: 0,
    keptIn: null,
  },
  {
    name: 'the directory is deleted',
    take: (file) => rmSync(join(file, '..'), { recursive: true }),
    boundMs: 0,
    keptIn: null,
  },
  { name: 'the log alone is deleted', take: (file) => remove(file, ['-wal']), boundMs: 0, keptIn: (file) => file },
  {
    name: 'the database is moved, and another file is in its place',
    take: (file) => {
      renameSync(file, `${file}.moved`)
      copyFileSync(`${file}.moved`, file)
    },
    boundMs: 0,
    keptIn: (file) => `${file}.moved`,
  },
  {
    name: 'the lock is deleted',
    take: (file) => remove(file, ['.lock']),
    boundMs: LOCK_BOUND_MS,
    keptIn: (file) => file,
  },
]

/** Takes the files away below a gateway under load: no 202 for what nobody will find again. */
export const deletedFile: Attack = {
  about: 'the SQLite file, its log, its directory or its lock is taken away below a gateway under load',
  async run(settings) {
    const checks: Check[] = []
    for (const [i, one] of CASES.entries()) checks.push(...(await takeAway(settings, one, String(i))))
    return checks
  },
}

async function takeAway({ folder, logFile }: AttackSettings, one: Case, name: string): Promise<Check[]> {
  const directory = join(folder, name)
  mkdirSync(directory)
  const file = join(directory, 'app.db')
  const gateway: Gateway = await startGateway({ databaseUrl: `sqlite:${file}`, logFile, nodeOptions: [] })
  const load = storm(`http://127.0.0.1:${gateway.port}`, CONNECTIONS)
  await sleep(STORM_MS)
  one.take(file)
  const takenAt = performance.now()
  const ended = await within(END_DEADLINE_MS, async () => !isRunning(gateway.pid))
  const endedMs = Math.round(performance.now() - takenAt)
  await load.stop()
  return [
    { what: `${one.name}: the process ended ${endedMs} ms later`, holds: ended },
    acknowledgedLate(one, load, takenAt),
    ...(one.keptIn === null ? [] : [kept(one, one.keptIn(file), load)]),
  ]
}

function acknowledgedLate({ name, boundMs }: Case, { accepted }: Storm, takenAt: number): Check {
  const late = accepted.filter(({ sentAt }) => sentAt > takenAt + boundMs).length
  const when = boundMs === 0 ? 'afterwards' : `more than ${boundMs / 1_000} s afterwards`
  return { what: `${name}: ${accepted.length} answered 202, ${late} of them sent ${when}`, holds: late === 0 }
}

function kept({ name }: Case, file: string, load: Storm): Check {
  const missing = missingFrom(file, load)
  return {
    what: `${name}: ${missing} of ${load.accepted.length} that were answered 202 are not in the file`,
    holds: missing === 0,
  }
}
