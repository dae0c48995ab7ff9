import { LIMITS } from '../../domain/limits.ts'
import type { Store } from '../store.ts'
import type { Database } from './database.ts'
import type { READS, WRITES } from './operations.ts'
import { type OnBatch, ThreadClient } from './thread-client.ts'

export interface SqliteOptions {
  /** Path of the database file; its directory is created. */
  path: string
  onBatch?: OnBatch
  /** Called when a thread died: the process should end and be started again. */
  onDeath?: (error: Error) => void
}

/** What an operation looks like from outside the thread: without the database, and with a promise. */
type Remote<O> = O extends (db: Database, ...args: infer A) => infer R ? (...args: A) => Promise<R> : never

/**
 * The embedded store: one SQLite file, one thread that writes, two that read. The second reader is for lists and
 * searches, so that a slow one never delays the point reads that deliveries wait for.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  await using stack = new AsyncDisposableStack()
  const open = async (role: 'writer' | 'reader') => {
    const client = await ThreadClient.open({
      role,
      path: options.path,
      waitingMax: role === 'writer' ? LIMITS.writesWaitingMax : LIMITS.readsWaitingMax,
      timeoutMs: role === 'writer' ? LIMITS.writeTimeoutMs : LIMITS.readTimeoutMs,
      batchesInFlight: role === 'writer' ? 2 : 1,
      batchMax: role === 'writer' ? 512 : 16,
      onBatch: role === 'writer' ? (options.onBatch ?? (() => {})) : () => {},
      onDeath: options.onDeath ?? (() => {}),
    })
    stack.defer(() => client.close())
    return client
  }
  const writer = await open('writer')
  const points = await open('reader')
  const lists = await open('reader')

  const write = <N extends keyof typeof WRITES>(name: N) =>
    ((...args: unknown[]) => writer.call([name, ...args])) as Remote<(typeof WRITES)[N]>
  const read = <N extends keyof typeof READS>(thread: ThreadClient, name: N) =>
    ((...args: unknown[]) => thread.call([name, ...args])) as Remote<(typeof READS)[N]>
  const writeSecret = write('secret')

  const owned = stack.move()
  return {
    accept: write('accept'),
    claim: write('claim'),
    settle: write('settle'),
    renew: write('renew'),
    release: write('release'),
    sweep: write('sweep'),
    requestManualAttempt: write('requestManualAttempt'),
    cancelWaiting: write('cancelWaiting'),
    createEndpoint: write('createEndpoint'),
    updateEndpoint: write('updateEndpoint'),
    deleteEndpoint: write('deleteEndpoint'),
    pruneAttempts: write('pruneAttempts'),
    prunePayloads: write('prunePayloads'),
    pruneIdempotency: write('pruneIdempotency'),
    getEndpoint: read(points, 'getEndpoint'),
    endpointsOf: read(points, 'endpointsOf'),
    getMessage: read(points, 'getMessage'),
    getPayload: read(points, 'getPayload'),
    deliveriesOf: read(points, 'deliveriesOf'),
    problem: read(points, 'problem'),
    listEndpoints: read(lists, 'listEndpoints'),
    attemptsOfMessage: read(lists, 'attemptsOfMessage'),
    attemptsOfEndpoint: read(lists, 'attemptsOfEndpoint'),
    backlog: read(lists, 'backlog'),
    secret: (name, create) => writeSecret(name, create()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
