import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Gateway, startGateway, within } from '../../bench/processes.ts'
import type { Attack, AttackSettings, Check } from '../attack.ts'
import { isRunning, missingFrom, storm } from './crash-rig.ts'

const DISK = '16m'
const FILLER_BYTES = 4 * 1_048_576
const CONNECTIONS = 16
const EVENT_BYTES = 20_000
const DEADLINE_MS = 30_000
const FULL_MS = 5_000
/** One line at once and one in ten seconds for each of the few things that fail. */
const TROUBLE_LINES_MAX = 12

/** Fills the disk below a gateway under load, and then makes room. Needs root, to mount a small disk. */
export const fullDisk: Attack = {
  about: `a disk of ${DISK} fills up below a gateway under load, and gets room again`,
  async run(settings) {
    const disk = join(settings.folder, 'disk')
    mkdirSync(disk)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'none', disk]).status !== 0)
      return [{ what: 'NOT RUN: only root can mount a small disk', holds: true }]
    try {
      return await fill(settings, disk)
    } finally {
      spawnSync('umount', ['-l', disk])
    }
  },
}

async function fill({ folder }: AttackSettings, disk: string): Promise<Check[]> {
  const file = join(disk, 'app.db')
  const filler = join(disk, 'filler')
  const logFile = join(folder, 'gateway.log')
  writeFileSync(filler, new Uint8Array(FILLER_BYTES))
  await using gateway: Gateway = await startGateway({
    databaseUrl: `sqlite:${file}`,
    logFile,
    nodeOptions: [],
    webhookSecret: 'the inbox secret',
  })
  const url = `http://127.0.0.1:${gateway.port}`
  const status = async (path: string) => (await fetch(url + path)).status
  const load = storm(url, CONNECTIONS, EVENT_BYTES)
  const isFull = await within(DEADLINE_MS, async () => load.refused.length > CONNECTIONS)
  const isRed = await within(DEADLINE_MS, async () => (await status('/health/ready')) === 503)
  await sleep(FULL_MS)
  const reads = [await status('/health/live'), await status('/subscriptions')]
  const others = new Set(load.refused.map((one) => one.status))
  others.delete(503)
  rmSync(filler)
  const before = load.accepted.length
  const isGreen = await within(DEADLINE_MS, async () => (await status('/health/ready')) === 200)
  const goesOn = await within(DEADLINE_MS, async () => load.accepted.length > before)
  await load.stop()
  const lines = readFileSync(logFile, 'utf8').split('\n')
  const troubles = lines.filter((line) => line.includes('the store is in trouble')).length
  const missing = missingFrom(file, load)
  return [
    {
      what: `the disk was full: ${load.refused.length} events refused, all with 503`,
      holds: isFull && others.size === 0,
    },
    { what: 'meanwhile /health/ready was 503', holds: isRed },
    { what: `meanwhile /health/live and a list were ${reads.join(' and ')}`, holds: reads.every((one) => one === 200) },
    {
      what: `${troubles} lines in the log of the store's trouble`,
      holds: troubles > 0 && troubles <= TROUBLE_LINES_MAX,
    },
    { what: 'with room again it was ready and took events', holds: isGreen && goesOn && isRunning(gateway.pid) },
    { what: `${missing} of ${load.accepted.length} that were answered 202 are not in the file`, holds: missing === 0 },
  ]
}
