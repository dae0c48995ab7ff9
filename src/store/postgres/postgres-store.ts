import type { EncryptionKey } from '../../domain/encryption.ts'
import type { AppId, EndpointId, MessageId, SourceId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Store } from '../store.ts'
import type { OnBatch } from '../shared/batcher.ts'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import { Pool, type PoolOptions } from './database.ts'
import { prepareEncryption } from './encryption.ts'
import { openGates } from './gates.ts'
import { Listener } from './listener.ts'
import { Partitions } from './partitions.ts'
import { BY_INDEX, PLANNED_ONCE, prepareDatabase, sessionSettings } from './start.ts'
import { verbs } from './verbs.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  url: string
  /** Of ENCRYPTION_KEY, newest first; without any secrets are stored in the clear. */
  encryptionKeys?: readonly EncryptionKey[]
  /** Told what the operator has to know of the start, a sentence each. */
  onNotice?: (notice: string) => void
  onBatch?: OnBatch
  /** Another node made something due, at this time or before. */
  onDue?: (at: number) => void
  /** Another node changed an endpoint. */
  onChange?: (appId: AppId, id: EndpointId | SourceId) => void
  /** Another node took a payload away of which this one may hold deliveries. */
  onExpunged?: (msgId: MessageId) => void
  /** Another node was given a task, which anybody may do. */
  onTask?: () => void
  /** Something went wrong that nobody waits for; it heals by itself or is tried again. */
  onTrouble?: (doing: string, error: unknown) => void
  /** Connections of this node at most, without the one that listens. */
  poolMax?: number
  /** How long opening waits for a database that does not answer yet. */
  openTimeoutMs?: number
  connectTimeoutMs?: number
  /** Longest that an operation takes before it is refused. */
  timeoutMs?: number
  /** Bytes of messages that may wait to be stored. */
  waitingBytesMax?: number
  /** For tests: take a server that does not flush its disk. */
  allowUnsafeFsync?: boolean
}

const POOL_MAX = 14
/** Pages are read one after the other; beside them, one search and what else may read whole tables. */
const SHARES = { writes: 8, points: 3, lists: 1, searches: 2 }
/** Longer than the server's own time-outs, so that it is the server that gives up, and its connection can go on. */
const GRACE_MS = 2_000

/** The store at scale: many nodes on one PostgreSQL. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { url, onTrouble = () => {}, openTimeoutMs = 30_000, connectTimeoutMs = 5_000 } = options
  const timeoutMs = options.timeoutMs ?? Math.min(LIMITS.writeTimeoutMs, LIMITS.readTimeoutMs)
  const { synchronousCommit } = await prepareDatabase({
    url,
    openTimeoutMs,
    connectTimeoutMs,
    allowUnsafeFsync: options.allowUnsafeFsync ?? false,
  })
  await using stack = new AsyncDisposableStack()
  const session = sessionSettings(synchronousCommit)
  const openPool = (share: number, settings: PoolOptions['settings']) => {
    const max = Math.max(Math.min(share, 2), Math.round(((options.poolMax ?? POOL_MAX) * share) / POOL_MAX))
    const pool = new Pool({
      url,
      max,
      settings: { ...session, ...settings, statement_timeout: timeoutMs },
      connectTimeoutMs,
      queryTimeoutMs: timeoutMs + GRACE_MS,
      onTrouble,
    })
    stack.defer(() => pool.close())
    return { pool, max }
  }
  const writes = openPool(SHARES.writes, { ...BY_INDEX, ...PLANNED_ONCE })
  const points = openPool(SHARES.points, BY_INDEX)
  const lists = openPool(SHARES.lists, BY_INDEX)
  const searches = openPool(SHARES.searches, {})
  await refuseHalfCopy(points.pool)
  const { encryption, notices } = await prepareEncryption(writes.pool, options.encryptionKeys ?? [])
  for (const notice of notices) options.onNotice?.(notice)
  const pools = { writes: writes.pool, points: points.pool, lists: lists.pool, searches: searches.pool }
  const partitions = new Partitions(pools.writes, onTrouble)
  await partitions.maintain()

  if (options.onDue !== undefined) {
    const { onDue, onChange = () => {}, onExpunged = () => {}, onTask = () => {} } = options
    const isOwn = (processId: number) => pools.writes.processes.has(processId)
    const listener = new Listener({
      url,
      settings: session,
      connectTimeoutMs,
      onTrouble,
      onDue,
      onChange,
      onExpunged,
      onTask,
      isOwn,
    })
    stack.defer(() => listener.close())
    await listener.start()
  }
  const gates = openGates(pools.writes, partitions, {
    onBatch: options.onBatch,
    timeoutMs,
    waitingBytesMax: options.waitingBytesMax ?? LIMITS.writeBytesWaitingMax,
    writesMax: writes.max,
    pointsMax: points.max,
  })
  stack.defer(() => gates.close())
  const owned = stack.move()
  return { ...verbs({ ...pools, encryption, partitions, gates }), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A copy that is not finished lacks what tells repeats from news. */
async function refuseHalfCopy(pool: Pool): Promise<void> {
  const [row] = await pool.read<{ value: string }>("SELECT value FROM meta WHERE name = 'copy'")
  if (row !== undefined && !(JSON.parse(row.value) as { isDone: boolean }).isDone)
    throw new UnusableDatabase(
      'the PostgreSQL database holds an unfinished copy: run `hookferry copy` again until it says that everything is there',
    )
}
