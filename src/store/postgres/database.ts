/**
 * Runs statements on connections: one statement by itself, or several in a transaction.
 *
 * All of this assumes READ COMMITTED, where each statement sees the data committed before it began. Every transaction
 * takes locks in one order: first answers, then applications, tasks and messages, deliveries, endpoints, and lanes,
 * each in the order of their keys. Messages that announce a write are accepted at the end of its transaction. A claim
 * goes the other way, from lanes to deliveries, and therefore never waits for a lock (SKIP LOCKED).
 */
import { type ClientConfig, Pool as Connections, type PoolClient, type QueryResult } from 'pg'
import { OutcomeUnknown } from '../../domain/errors.ts'
import { isCollision, isConnectionTrouble, isRepeat } from './trouble.ts'
import { COLUMN_TYPES, toText } from './values.ts'

export type Value = string | number | boolean | Uint8Array | null

/** A statement with a name is prepared once on each connection. */
export interface Statement {
  name?: string
  text: string
}

export const statement = (name: string, text: string): Statement => ({ name, text })

/** Runs a statement, on any connection or within a transaction, and returns the rows. `T` is what it selects. */
export type Ask = <T>(sql: Statement | string, ...values: Value[]) => Promise<T[]>

/** One connection, for as long as it is lent. */
export class Session {
  readonly #client: PoolClient

  constructor(client: PoolClient) {
    this.#client = client
  }

  #query(sql: Statement | string, values: readonly Value[]): Promise<QueryResult> {
    const query = typeof sql === 'string' ? { text: sql } : sql
    return this.#client.query({ ...query, values: values.map(encode) })
  }

  /** Returns the rows. `T` is what the statement selects. */
  async all<T>(sql: Statement | string, ...values: Value[]): Promise<T[]> {
    const { rows } = await this.#query(sql, values)
    return rows as T[]
  }

  readonly ask: Ask = (sql, ...values) => this.all(sql, ...values)

  async get<T>(sql: Statement | string, ...values: Value[]): Promise<T | undefined> {
    return (await this.all<T>(sql, ...values))[0]
  }

  /** Returns the number of rows that the statement changed. */
  async run(sql: Statement | string, ...values: Value[]): Promise<number> {
    return (await this.#query(sql, values)).rowCount ?? 0
  }

  /** Returns the statement's name in the server's answer, such as `COMMIT`. */
  async command(sql: string): Promise<string> {
    return (await this.#client.query(sql)).command
  }
}

const encode = (value: Value): string | number | boolean | Buffer | null => {
  if (typeof value === 'string') return toText(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return value
}

export interface PoolOptions {
  url: string
  /** Most connections. */
  max: number
  /** Settings of each session. */
  settings: Readonly<Record<string, string | number>>
  connectTimeoutMs: number
  /** Longer than the server's own time-out: a connection that is silent until then is given up. */
  queryTimeoutMs: number
  onTrouble: (doing: string, error: unknown) => void
}

/** Most runs of one transaction that collides with others. */
const COLLISIONS_MAX = 5

export class Pool {
  readonly #pool: Connections
  /** The server's processes behind this pool: a node recognizes its own notifications by them. */
  readonly processes = new Set<number>()

  constructor(options: PoolOptions) {
    this.#pool = new Connections({
      ...connectionConfig(options),
      max: options.max,
      connectionTimeoutMillis: options.connectTimeoutMs,
      query_timeout: options.queryTimeoutMs,
      idleTimeoutMillis: 60_000,
    })
    this.#pool.on('error', (error) => options.onTrouble('keep a connection to the database', error))
    this.#pool.on('connect', (client) => {
      const { processID } = client as unknown as { processID: number }
      this.processes.add(processID)
      // Without a listener, an error of a lent connection would end the process; the borrower is told anyway.
      client.on('error', () => {})
      client.on('end', () => this.processes.delete(processID))
    })
  }

  /** Lends a connection; one that broke is not used again. */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    let isBroken = true
    try {
      const result = await work(new Session(client))
      isBroken = false
      return result
    } catch (error) {
      isBroken = isConnectionTrouble(error)
      throw error
    } finally {
      client.release(isBroken)
    }
  }

  /** Runs one statement that reads. */
  read<T>(sql: Statement | string, ...values: Value[]): Promise<T[]> {
    return this.use((session) => session.all<T>(sql, ...values))
  }

  readonly ask: Ask = (sql, ...values) => this.read(sql, ...values)

  /** Runs one statement as a transaction of its own. */
  write<T>(sql: Statement | string, ...values: Value[]): Promise<T[]> {
    return this.#repeated(() => this.use((session) => committing(session.all<T>(sql, ...values))))
  }

  /** Does all of `work`, or nothing of it. `work` may be run several times. */
  transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#repeated(
      () => this.use((session) => transact(session, work)),
      (error) => isCollision(error) || isRepeat(error),
    )
  }

  async #repeated<T>(work: () => Promise<T>, isPassing = isCollision): Promise<T> {
    for (let turn = 1; ; turn++)
      try {
        return await work()
      } catch (error) {
        if (turn >= COLLISIONS_MAX || !isPassing(error)) throw error
      }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}

async function transact<T>(session: Session, work: (session: Session) => Promise<T>): Promise<T> {
  // Not awaited: it is on the wire together with the first statement.
  const begun = session.command('BEGIN')
  begun.catch(() => {})
  let result: T
  try {
    result = await work(session)
    await begun
  } catch (error) {
    // If the connection broke, the server has rolled the transaction back.
    if (!isConnectionTrouble(error)) await session.command('ROLLBACK')
    throw error
  }
  if ((await committing(session.command('COMMIT'))) !== 'COMMIT') throw new Error('the transaction was rolled back')
  return result
}

/** Marks the outcome as unknown when the connection breaks before the answer to COMMIT has arrived. */
async function committing<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!isConnectionTrouble(error)) throw error
    throw new OutcomeUnknown('The connection to the database was lost before it answered', error)
  }
}

/** The context of each verb that writes; some verbs need more. */
export interface Writing {
  pool: Pool
}

/** Settings that all connections of the gateway share. */
export function connectionConfig({
  url,
  settings,
  connectTimeoutMs,
}: Pick<PoolOptions, 'url' | 'settings' | 'connectTimeoutMs'>): ClientConfig {
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  // Options in the URL would replace these: so the operator's options come first, and ours are added.
  const address = new URL(url)
  const own = address.searchParams.get('options')
  address.searchParams.delete('options')
  return {
    connectionString: address.href,
    options: [...(own === null ? [] : [own]), ...options].join(' '),
    application_name: 'hookferry',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: connectTimeoutMs,
    pipeline: true,
    types: COLUMN_TYPES,
  }
}
