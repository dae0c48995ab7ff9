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
  /** The keys of ENCRYPTION_KEY, newest first; without any, secrets are stored in the clear. */
  encryptionKeys?: readonly EncryptionKey[]
  /** Called with each fact that the operator has to know about the start, one sentence each. */
  onNotice?: (notice: string) => void
  onBatch?: OnBatch
  /** Called when another node made a delivery due, at this time or before. */
  onDue?: (at: number) => void
  /** Called when another node changed an endpoint or a source. */
  onChange?: (appId: AppId, id: EndpointId | SourceId) => void
  /** Called when another node removed a payload of which this node may hold deliveries. */
  onExpunged?: (msgId: MessageId) => void
  /** Called when another node was given a task, which any node may do. */
  onTask?: () => void
  /** Called on trouble in the background, for which no caller waits; it heals by itself or is tried again. */
  onTrouble?: (doing: string, error: unknown) => void
  /** Most connections of this node, without the one that listens. */
  poolMax?: number
  /** Longest wait of opening for a database that does not answer yet. */
  openTimeoutMs?: number
  connectTimeoutMs?: number
  /** Longest time that an operation takes before it is refused. */
  timeoutMs?: number
  /** Bytes of messages that may wait to be stored. */
  waitingBytesMax?: number
  /** For tests: accepts a server that does not flush its disk. */
  allowUnsafeFsync?: boolean
}

const POOL_MAX = 14
/** Pages are read one after the other. Beside them there is one search, and one other read of whole tables. */
const SHARES = { writes: 8, points: 3, lists: 1, searches: 2 }
/** Longer than the server's own time-outs, so that the server gives up first, and its connection stays usable. */
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

/** Refuses a copy that is not finished: it lacks the records that tell repeats from new messages. */
async function refuseHalfCopy(pool: Pool): Promise<void> {
  const [row] = await pool.read<{ value: string }>("SELECT value FROM meta WHERE name = 'copy'")
  if (row !== undefined && !(JSON.parse(row.value) as { isDone: boolean }).isDone)
    throw new UnusableDatabase(
      'the PostgreSQL database holds an unfinished copy: run `hookferry copy` again until it says that everything is there',
    )
}
