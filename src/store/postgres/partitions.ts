/**
 * Payloads and attempts are kept in partitions by time. So data past its retention is removed by dropping a table,
 * which costs nothing; deleting its rows would cost as much as writing them did.
 *
 * Partitions are made ahead of the time, and when a batch is about to write into one that is missing. Rows that belong
 * to none of them (times far from now, or a partition that could not be made) go to the default partition, from which
 * retention deletes row by row. So no insert ever fails because a partition is missing.
 */
import { startId } from '../../domain/ids.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Pool, Session } from './database.ts'
import { sqlState } from './trouble.ts'

const HOUR_MS = 3_600_000

export interface PartitionedTable {
  name: 'payload' | 'attempt'
  periodMs: number
  /** Writes a time as a partition's bounds need it. */
  bound: (ms: number) => string
}

export const PAYLOAD: PartitionedTable = { name: 'payload', periodMs: 24 * HOUR_MS, bound: String }
/** Six hours, so that at most a twelfth of a log that is kept for three days is kept too long. */
export const ATTEMPT: PartitionedTable = {
  name: 'attempt',
  periodMs: 6 * HOUR_MS,
  bound: (ms) => `'${startId('atmpt', ms)}'`,
}

/** Partitions are made only for times in this range, measured from the database's clock. */
const PAST_MS = 24 * HOUR_MS
const FUTURE_MS = 800 * 24 * HOUR_MS
const AHEAD_MS = 48 * HOUR_MS
const MAINTAIN_EVERY_MS = 600_000
/** Longest wait of a batch for its partition before it goes to the default one. */
const MAKING_TIMEOUT_MS = 3_000

/** Time after which a partition that could not be made is tried again. */
const RETRY_MS = 60_000
/** The error of `ATTACH PARTITION` when the default partition has rows of that time. */
const CHECK_VIOLATION = '23514'

/** Lock of one installation: only one node at a time makes or drops partitions. */
export const PARTITIONS_LOCK = 0x48_6b_46_80

export interface Partition {
  name: string
  start: number
  end: number
}

export const partitionOf = ({ name, periodMs }: PartitionedTable, ms: number): Partition => {
  const start = Math.floor(ms / periodMs) * periodMs
  // 2026-11-22T18 → 20261122_18
  const stamp = new Date(start).toISOString().slice(0, 13).replaceAll('-', '').replace('T', '_')
  return { name: `${name}_${stamp}`, start, end: start + periodMs }
}

/** The existing partitions of a table, oldest first. */
export async function partitionsOf(session: Session, table: PartitionedTable): Promise<Partition[]> {
  const rows = await session.all<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = $1::regclass ORDER BY c.relname COLLATE "C"`,
    table.name,
  )
  return rows.flatMap(({ name }) => {
    const match = /_(\d{4})(\d\d)(\d\d)_(\d\d)$/.exec(name)
    if (match === null) return []
    const [year = 0, month = 0, day = 0, hour = 0] = match.slice(1).map(Number)
    const start = Date.UTC(year, month - 1, day, hour)
    return [{ name, start, end: start + table.periodMs }]
  })
}

export class Partitions {
  readonly #pool: Pool
  readonly #onTrouble: (doing: string, error: unknown) => void
  /** Partitions that exist or that cannot be made, with the time until which this is believed. */
  readonly #settled = new Map<string, number>()
  readonly #making = new Map<string, Promise<void>>()
  /** The database's time, and this node's time of that reading. */
  #time = { now: 0, at: -Infinity }
  #maintainedAt = -Infinity
  #latestExpiry = 0

  constructor(pool: Pool, onTrouble: (doing: string, error: unknown) => void) {
    this.#pool = pool
    this.#onTrouble = onTrouble
  }

  #now = (): number => this.#time.now + performance.now() - this.#time.at

  /** Makes the partitions of the near future, now and then. A failure stops nothing: there is the default partition. */
  async maintain(): Promise<void> {
    if (performance.now() - this.#maintainedAt < MAINTAIN_EVERY_MS) return
    this.#maintainedAt = performance.now()
    try {
      const [row] = await this.#pool.read<{ now: number }>(
        'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
      )
      this.#time = { now: row!.now, at: performance.now() }
      const { now } = this.#time
      await this.ready(ATTEMPT, steps(now, now + AHEAD_MS, ATTEMPT.periodMs))
      // Payloads expire far from now: a message of tomorrow will expire a day later than one of today.
      const from = Math.max(now, this.#latestExpiry)
      await this.ready(PAYLOAD, steps(from, from + AHEAD_MS, PAYLOAD.periodMs))
    } catch (error) {
      this.#maintainedAt = -Infinity
      this.#onTrouble('make partitions ahead', error)
    }
  }

  /** Fulfilled once there are partitions for these times, or when that takes too long. Undefined if none is missing. */
  ready(table: PartitionedTable, times: readonly number[]): Promise<void> | undefined {
    let missing: Map<string, Partition> | null = null
    for (const time of times) {
      if (table === PAYLOAD && time > this.#latestExpiry && this.#isPlausible(time)) this.#latestExpiry = time
      if (!this.#isPlausible(time)) continue
      const partition = partitionOf(table, time)
      if ((this.#settled.get(partition.name) ?? -Infinity) < performance.now())
        (missing ??= new Map()).set(partition.name, partition)
    }
    return missing === null ? undefined : this.#makeAll(table, [...missing.values()])
  }

  #isPlausible(ms: number): boolean {
    const now = this.#now()
    return ms > now - PAST_MS && ms < now + FUTURE_MS
  }

  async #makeAll(table: PartitionedTable, partitions: readonly Partition[]): Promise<void> {
    for (const partition of partitions) {
      let making = this.#making.get(partition.name)
      if (making === undefined) {
        making = this.#make(table, partition).finally(() => this.#making.delete(partition.name))
        this.#making.set(partition.name, making)
      }
      let isOver = (): void => {}
      const timeout = new Promise<void>((resolve) => {
        isOver = resolve
      })
      const timer = systemClock.after(MAKING_TIMEOUT_MS, isOver)
      await Promise.race([making, timeout])
      timer.cancel()
    }
  }

  async #make(table: PartitionedTable, partition: Partition): Promise<void> {
    try {
      await this.#pool.transaction((session) => createPartition(session, table, partition))
      this.#settled.set(partition.name, Infinity)
    } catch (error) {
      // Rows of that time in the default partition stay there, so a retry is of no use; any other trouble may pass
      // soon.
      const isHopeless = sqlState(error) === CHECK_VIOLATION
      this.#settled.set(partition.name, isHopeless ? Infinity : performance.now() + RETRY_MS)
      this.#onTrouble(`make the partition ${partition.name}`, error)
    }
  }
}

/**
 * Makes a table and attaches it as a partition. Attaching locks the default partition for a moment, to see that it has
 * no rows of that time. CREATE TABLE … PARTITION OF would lock the whole table against reading and writing.
 */
async function createPartition(session: Session, table: PartitionedTable, { name, start, end }: Partition) {
  await session.run("SET LOCAL lock_timeout = '1s'")
  await session.run('SELECT pg_advisory_xact_lock($1)', PARTITIONS_LOCK)
  const existing = await session.get<{ oid: string | null }>('SELECT to_regclass($1)::text AS oid', name)
  if (existing?.oid) return
  await session.run(`CREATE TABLE ${name} (LIKE ${table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`)
  await session.run(
    `ALTER TABLE ${table.name} ATTACH PARTITION ${name} FOR VALUES FROM (${table.bound(start)}) TO (${table.bound(end)})`,
  )
}

function steps(from: number, to: number, period: number): number[] {
  const times: number[] = []
  for (let time = from; time <= to; time += period) times.push(time)
  return times
}
