import { randomBytes } from 'node:crypto'
import { Encryption, type EncryptionKey } from '../../domain/encryption.ts'
import { LIMITS } from '../../domain/limits.ts'
import { encryptedVerbs } from '../endpoint-codec.ts'
import type { Acceptance, Store } from '../store.ts'
import { bytesOf } from '../weight.ts'
import type { Database } from './database.ts'
import type { LISTS, POINTS, WRITES } from './operations.ts'
import { type OnBatch, ThreadClient, type ThreadClientOptions } from './thread-client.ts'

export interface SqliteOptions {
  /** Path of the database file; its directory is created. */
  path: string
  /** Of ENCRYPTION_KEY, newest first; without any there is a key file beside the database. */
  encryptionKeys?: readonly EncryptionKey[]
  /** Told what the operator has to know of the start, a sentence each. */
  onNotice?: (notice: string) => void
  onBatch?: OnBatch
  /** Bytes of messages that may wait to be stored. */
  waitingBytesMax?: number
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
  const clients: ThreadClient[] = []
  const open = async (thread: Omit<ThreadClientOptions, 'path' | 'onDeath' | 'keys'>) => {
    const onDeath = (error: Error) => {
      // What the others read may be of a file that nobody will find again.
      if (thread.role === 'writer') for (const one of clients) one.abandon(error)
      options.onDeath?.(error)
    }
    const client = await ThreadClient.open({
      ...thread,
      path: options.path,
      keys: options.encryptionKeys ?? [],
      onDeath,
    })
    clients.push(client)
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
    bytesOf: ([name, first]) => (name === 'accept' ? bytesOf(first as readonly Acceptance[]) : 0),
    waitingBytesMax: options.waitingBytesMax ?? LIMITS.writeBytesWaitingMax,
    batchBytesMax: LIMITS.writeBatchBytesMax,
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
  const point = <N extends keyof typeof POINTS>(name: N) =>
    ((...args: unknown[]) => points.call([name, ...args])) as Remote<(typeof POINTS)[N]>
  const list = <N extends keyof typeof LISTS>(name: N, thread = lists) =>
    ((...args: unknown[]) => thread.call([name, ...args])) as Remote<(typeof LISTS)[N]>
  const listInbox = list('listInbox')
  const searchInbox = list('listInbox', searches)
  const deleteEndpoint = write('deleteEndpoint')

  const { keys, notices } = writer.prepared!
  for (const notice of notices) options.onNotice?.(notice)
  const secretVerbs = encryptedVerbs(new Encryption(keys, randomBytes), {
    createEndpoint: write('createEndpoint'),
    updateEndpoint: write('updateEndpoint'),
    getEndpoint: point('getEndpoint'),
    findEndpoint: point('findEndpoint'),
    listEndpoints: list('listEndpoints'),
    secret: write('secret'),
  })

  const owned = stack.move()
  return {
    ...secretVerbs,
    accept: write('accept'),
    claim: write('claim'),
    settle: write('settle'),
    renew: write('renew'),
    release: write('release'),
    sweep: write('sweep'),
    putClockBack: write('putClockBack'),
    requestManualAttempt: write('requestManualAttempt'),
    resend: write('resend'),
    cancelWaiting: write('cancelWaiting'),
    createApplication: write('createApplication'),
    updateApplication: write('updateApplication'),
    deleteApplication: write('deleteApplication'),
    createEventType: write('createEventType'),
    updateEventType: write('updateEventType'),
    removeEventType: write('removeEventType'),
    deleteEndpoint: (appId, id, now, extras) => deleteEndpoint({ appId, id }, now, extras),
    holdEndpoint: write('holdEndpoint'),
    expungeMessage: write('expungeMessage'),
    expungeAttempt: write('expungeAttempt'),
    saveAnswer: write('saveAnswer'),
    createTask: write('createTask'),
    stepTask: write('stepTask'),
    pruneAttempts: write('pruneAttempts'),
    prunePayloads: write('prunePayloads'),
    pruneIdempotency: write('pruneIdempotency'),
    waiting: () => ({ writes: writer.load.calls, bytes: writer.load.bytes }),
    problem: write('problem'),

    findApplication: point('findApplication'),
    getApplication: point('getApplication'),
    getEventType: point('getEventType'),
    knownEventTypes: point('knownEventTypes'),
    endpointsOf: point('endpointsOf'),
    getMessage: point('getMessage'),
    findMessage: point('findMessage'),
    getPayload: point('getPayload'),
    getShownPayload: point('getShownPayload'),
    deliveriesOf: point('deliveriesOf'),
    holdersOf: point('holdersOf'),
    // One process owns the file: who expunges here knows it.
    recentlyExpunged: () => Promise.resolve([]),
    getAttempt: point('getAttempt'),
    getAnswer: point('getAnswer'),
    getTask: point('getTask'),

    listApplications: list('listApplications'),
    listEventTypes: list('listEventTypes'),
    pageEndpoints: list('pageEndpoints'),
    listMessages: list('listMessages'),
    listAttempts: list('listAttempts'),
    listAttemptedMessages: list('listAttemptedMessages'),
    listAttemptedEndpoints: list('listAttemptedEndpoints'),
    countDeliveries: list('countDeliveries'),
    attemptsOfMessage: list('attemptsOfMessage'),
    attemptsOfEndpoint: list('attemptsOfEndpoint'),
    listTasks: list('listTasks'),
    listInbox: (query) => (query.q === null ? listInbox(query) : searchInbox(query)),
    inboxStats: list('inboxStats'),
    backlog: list('backlog'),
    heldDeliveries: list('heldDeliveries'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
