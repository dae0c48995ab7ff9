import { randomBytes } from 'node:crypto'
import { Encryption, type EncryptionKey } from '../../domain/encryption.ts'
import { LIMITS } from '../../domain/limits.ts'
import { encryptedVerbs } from '../endpoint-codec.ts'
import type { OnBatch } from '../shared/batcher.ts'
import type { Acceptance } from '../port/accept.ts'
import type { Store } from '../store.ts'
import { type Gate, VERBS, verbsOf } from '../verbs.ts'
import { bytesOf } from '../weight.ts'
import { LateThread } from './late-thread.ts'
import { ThreadClient, type ThreadClientOptions } from './thread-client.ts'

export interface SqliteOptions {
  /** Path of the database file; its directory is created. */
  path: string
  /** The keys of ENCRYPTION_KEY, newest first; without any there is a key file beside the database. */
  encryptionKeys?: readonly EncryptionKey[]
  /** Called with each fact that the operator has to know about the start, one sentence each. */
  onNotice?: (notice: string) => void
  onBatch?: OnBatch
  /** Bytes of messages that may wait to be stored. */
  waitingBytesMax?: number
  /** Called when a thread died: the process should end and be started again. */
  onDeath?: (error: Error) => void
}

/**
 * The embedded store: one SQLite file, one thread that writes, and three that read. `points` serves reads that
 * deliveries wait for; lists and searches have threads of their own, so that slow reads never delay fast ones. Lists
 * and searches run at a lower priority, and their threads start when they are first asked.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  await using stack = new AsyncDisposableStack()
  const clients: ThreadClient[] = []
  const open = async (thread: Omit<ThreadClientOptions, 'path' | 'onDeath' | 'keys'>) => {
    const onDeath = (error: Error) => {
      // The other threads may have open a file that is no longer at its path.
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
    return client
  }
  const openNow = async (thread: Parameters<typeof open>[0]) => {
    const client = await open(thread)
    stack.defer(() => client.close())
    return client
  }
  const writer = await openNow({
    role: 'writer',
    isPatient: false,
    waitingMax: LIMITS.writesWaitingMax,
    timeoutMs: LIMITS.writeTimeoutMs,
    // Two batches keep the writer busy while the answers of the first are handed out.
    batchesInFlight: 2,
    batchMax: 512,
    weigh: ([name, first]) => (name === 'accept' ? bytesOf(first as readonly Acceptance[]) : 0),
    waitingWeightMax: options.waitingBytesMax ?? LIMITS.writeBytesWaitingMax,
    weightMax: LIMITS.writeBatchBytesMax,
    ...(options.onBatch === undefined ? {} : { onBatch: options.onBatch }),
  })
  const reader = {
    role: 'reader',
    waitingMax: LIMITS.readsWaitingMax,
    timeoutMs: LIMITS.readTimeoutMs,
    batchesInFlight: 1,
  } as const
  const points = await openNow({ ...reader, isPatient: false, batchMax: 16 })
  const openLater = () => {
    const thread = new LateThread(() => open({ ...reader, isPatient: true, batchMax: 1 }))
    stack.defer(() => thread.close())
    return thread
  }
  const lists = openLater()
  const searches = openLater()

  const threads: Record<Gate, Pick<ThreadClient, 'call'>> = {
    accept: writer,
    settle: writer,
    write: writer,
    point: points,
    list: lists,
    count: lists,
    search: searches,
  }
  const { listInbox, ...verbs } = verbsOf((verb, args) => threads[VERBS[verb]].call([verb, ...args]))
  const pageOfInbox = verbsOf((verb, args) => lists.call([verb, ...args])).listInbox
  const secretVerbs = encryptedVerbs(new Encryption(writer.prepared!.keys, randomBytes), verbs)
  for (const notice of writer.prepared!.notices) options.onNotice?.(notice)

  const owned = stack.move()
  return {
    ...verbs,
    ...secretVerbs,
    // Without a text to look for, the list is a page of an index.
    listInbox: (query) => (query.q === null ? pageOfInbox(query) : listInbox(query)),
    waiting: () => ({ writes: writer.load.calls, bytes: writer.load.weight }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
