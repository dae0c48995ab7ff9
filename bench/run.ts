// npm run bench [-- scenario … --seconds 10 --connections 64 --rows 1000000 --database postgres --log FILE --profile FOLDER]

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { probeDisk } from './disk.ts'
import { stopAll } from './processes.ts'
import { line, percentiles } from './report.ts'
import { openDatabase } from './database.ts'
import { claims } from './scenarios/claims.ts'
import { delivery, svix } from './scenarios/delivery.ts'
import { idle } from './scenarios/idle.ts'
import { inbox } from './scenarios/inbox.ts'
import { inboxReads } from './scenarios/inbox-reads.ts'
import { inboxSearch } from './scenarios/inbox-search.ts'
import { listing } from './scenarios/listing.ts'
import type { Settings } from './session.ts'

/** Each prints its figures and says whether every accepted event arrived. */
const SCENARIOS: Record<string, (settings: Settings) => Promise<boolean>> = {
  delivery,
  svix,
  idle,
  listing,
  claims,
  inbox,
  'inbox-reads': inboxReads,
  'inbox-search': inboxSearch,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '64' },
    rows: { type: 'string', default: '1000000' },
    log: { type: 'string', default: '/dev/null' },
    profile: { type: 'string' },
    database: { type: 'string', default: 'sqlite' },
  },
})

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${name} must be a positive whole number, not ${text}`)
}

async function main(folder: string): Promise<boolean> {
  await using database = await openDatabase(values.database)
  const settings: Settings = {
    seconds: positive('seconds', values.seconds),
    connections: positive('connections', values.connections),
    rows: positive('rows', values.rows),
    folder,
    database,
    logFile: values.log,
    nodeOptions: values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`],
  }
  line('disk, write and sync of 16 KB', percentiles(probeDisk(folder)))
  let whole = true
  for (const name of positionals.length > 0 ? positionals : ['delivery']) {
    const scenario = SCENARIOS[name]
    if (!scenario) throw new Error(`no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}`)
    whole = (await scenario(settings)) && whole
  }
  return whole
}

const folder = await mkdtemp(join(tmpdir(), 'hookferry-bench-'))

process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

async function clearUp(exitCode: number): Promise<never> {
  await stopAll()
  process.exit(exitCode)
}

// The first reason to leave counts: stopping the processes makes whoever waits for them fail.
let leaving: Promise<never> | undefined
const leave = (exitCode: number): Promise<never> => (leaving ??= clearUp(exitCode))

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(130))

try {
  await leave((await main(folder)) ? 0 : 1)
} catch (error) {
  if (!leaving) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  await leave(1)
}
