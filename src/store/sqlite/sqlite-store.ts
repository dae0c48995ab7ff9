import { LIMITS } from '../../domain/limits.ts'
import type { Store } from '../store.ts'
import type { Database } from './database.ts'
import type { READS, WRITES } from './operations.ts'
import { type OnBatch, ThreadClient, type ThreadClientOptions } from './thread-client.ts'

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
 * The embedded store: one SQLite file, one thread that writes, three that read: points, which deliveries wait for,
 * lists, and searches, so that the slow never delay the fast. Lists and searches run at a lower priority.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  await using stack = new AsyncDisposableStack()
  const onDeath = options.onDeath ?? (() => {})
  const open = async (thread: Omit<ThreadClientOptions, 'path' | 'onDeath'>) => {
    const client = await ThreadClient.open({ ...thread, path: options.path, onDeath })
    stack.defer(() => client.close())
    return client
  }
  const writer = await open({
    role: 'writer',
    isPatient: false,
    waitingMax: LIMITS.writesWaitingMax,
    timeoutMs: LIMITS.writeTimeoutMs,
    // Two keep the writer busy while the answers of the first are handed out.
    batchesInFlight: 2,
    batchMax: 512,
    onBatch: options.onBatch ?? (() => {}),
  })
  const reader = {
    role: 'reader',
    waitingMax: LIMITS.readsWaitingMax,
    timeoutMs: LIMITS.readTimeoutMs,
    batchesInFlight: 1,
    onBatch: () => {},
  } as const
  const points = await open({ ...reader, isPatient: false, batchMax: 16 })
  const lists = await open({ ...reader, isPatient: true, batchMax: 1 })
  const searches = await open({ ...reader, isPatient: true, batchMax: 1 })

  const write = <N extends keyof typeof WRITES>(name: N) =>
    ((...args: unknown[]) => writer.call([name, ...args])) as Remote<(typeof WRITES)[N]>
  const read = <N extends keyof typeof READS>(thread: ThreadClient, name: N) =>
    ((...args: unknown[]) => thread.call([name, ...args])) as Remote<(typeof READS)[N]>
  const listInbox = read(lists, 'listInbox')
  const searchInbox = read(searches, 'listInbox')
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
    listInbox: (query) => (query.q === null ? listInbox(query) : searchInbox(query)),
    inboxStats: read(lists, 'inboxStats'),
    attemptsOfMessage: read(lists, 'attemptsOfMessage'),
    attemptsOfEndpoint: read(lists, 'attemptsOfEndpoint'),
    backlog: read(lists, 'backlog'),
    secret: (name, create) => writeSecret(name, create()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
