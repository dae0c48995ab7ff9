/** Commits: how they are shared, and what is left of them when something breaks. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/domain/errors.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { LateThread } from '../../src/store/sqlite/late-thread.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { ThreadClient } from '../../src/store/sqlite/thread-client.ts'
import type { Acceptance } from '../../src/store/port/accept.ts'
import {
  A,
  acceptance,
  acceptHeld,
  APP,
  claim,
  createEndpoint,
  endpoint,
  settlement,
  T0,
} from '../conformance/builders.ts'
import { openTempStore, tempDirectory } from './temp-store.ts'

const codeOf = (result: PromiseSettledResult<unknown>) =>
  result.status === 'fulfilled' ? 'done' : result.reason instanceof GatewayError ? result.reason.code : result.reason

test('concurrent writes share transactions', async () => {
  const batches: number[] = []
  await using opened = await openTempStore({ onBatch: (size) => batches.push(size) })
  const { store } = opened
  const endpointId = await createEndpoint(store)
  batches.length = 0
  const answers = await Promise.all(Array.from({ length: 500 }, () => store.accept([acceptance([endpointId])])))
  expect(answers.flat().every((answer) => !answer.duplicate)).toBe(true)
  expect(batches.reduce((sum, size) => sum + size, 0)).toBe(500)
  expect(batches.length).toBeLessThanOrEqual(10)
  expect((await claim(store, A, { max: 1_000, perEndpointMax: 1_000 })).deliveries).toHaveLength(500)
})

test('a write alone does not wait for others', async () => {
  const batches: number[] = []
  await using opened = await openTempStore({ onBatch: (size) => batches.push(size) })
  for (let i = 0; i < 5; i++) await opened.store.accept([acceptance([])])
  expect(batches).toEqual([1, 1, 1, 1, 1])
})

test('a value that cannot be sent to the thread is refused alone, and every other caller gets its own answer', async () => {
  await using opened = await openTempStore()
  const { store } = opened
  const unsendable = endpoint({ metadata: { a: (() => {}) as never } })
  const accepted = Array.from({ length: 20 }, () => acceptance([]))
  const results = await Promise.allSettled([
    ...accepted.slice(0, 10).map((one) => store.accept([one])),
    store.createEndpoint(unsendable),
    ...accepted.slice(10).map((one) => store.accept([one])),
  ])
  expect(results.map(codeOf).filter((code) => code !== 'done')).toEqual(['internal'])
  expect(codeOf(results[10]!)).toBe('internal')
  const answered = results.map((one) => (one.status === 'fulfilled' ? one.value : 'refused'))
  expect(answered.flatMap((one) => (typeof one === 'string' ? [] : one.map(({ messageId }) => messageId)))).toEqual(
    accepted.map(({ message }) => message.id),
  )
  await expect(store.createEndpoint(unsendable)).rejects.toMatchObject({ code: 'internal' })
  expect(await store.createEndpoint(endpoint())).toBe('created')
})

test('an operation that fails does not take along the others of its transaction', async () => {
  const batches: number[] = []
  await using opened = await openTempStore({ onBatch: (size) => batches.push(size) })
  const { store } = opened
  const existing = endpoint()
  await store.createEndpoint(existing)
  const held = await acceptHeld(store)
  batches.length = 0
  const accepted = Array.from({ length: 100 }, () => acceptance([existing.id]))
  const results = await Promise.allSettled([
    ...accepted.slice(0, 50).map((one) => store.accept([one])),
    store.createEndpoint(endpoint({ id: existing.id, description: 'the same id' })),
    store.settle(settlement(held)),
    ...accepted.slice(50).map((one) => store.accept([one])),
  ])
  expect(batches).toEqual([102])
  expect(results.map(codeOf)).toEqual(results.map((_, i) => (i === 50 ? 'internal' : 'done')))
  expect(await store.getEndpoint(APP, existing.id)).toEqual(existing)
  // Each exactly once, although the transaction was begun a second time.
  expect((await claim(store, A, { max: 1_000, perEndpointMax: 1_000 })).deliveries).toHaveLength(100)
  expect(await store.deliveriesOf(APP, held.msgId)).toMatchObject([{ state: 'delivered', attempts: 1 }])
  expect(await store.backlog(T0)).toEqual({ pending: 0, oldestDueAt: null })
})

test('more bytes than may wait are refused as overloaded, the others are stored, and then there is room again', async () => {
  await using opened = await openTempStore({ waitingBytesMax: 10_000 })
  const { store } = opened
  const large = () => store.accept([acceptance([], { payload: Buffer.alloc(900), shownPayload: Buffer.alloc(100) })])
  const asked = Promise.allSettled(Array.from({ length: 30 }, large))
  expect(store.waiting()).toEqual({ writes: 10, bytes: 10_000 })
  // What holds no payload has room all the same: an attempt is put on record, an endpoint is disabled.
  await store.secret('small', () => 'x')
  const codes = (await asked).map(codeOf)
  expect(codes).toEqual([...Array(10).fill('done'), ...Array(20).fill('overloaded')])
  expect(store.waiting()).toEqual({ writes: 0, bytes: 0 })
  expect(await store.accept([acceptance([], { payload: Buffer.alloc(50_000) })])).toMatchObject([{ duplicate: false }])
})

test('a transaction holds so many bytes and no more, for whatever comes next waits for it', async () => {
  const batches: number[] = []
  await using opened = await openTempStore({ onBatch: (size) => batches.push(size) })
  const payload = Buffer.alloc(LIMITS.writeBatchBytesMax / 4)
  await Promise.all(Array.from({ length: 10 }, () => opened.store.accept([acceptance([], { payload })])))
  expect(batches.reduce((sum, size) => sum + size)).toBe(10)
  expect(Math.max(...batches)).toBe(4)
})

test('more writes than may wait are refused as overloaded, and the others are made', async () => {
  await using opened = await openTempStore()
  const { store } = opened
  const extra = 100
  const results = await Promise.allSettled(
    Array.from({ length: LIMITS.writesWaitingMax + extra }, (_, i) => store.secret(`s${i}`, () => 'x')),
  )
  const codes = results.map(codeOf)
  expect(codes.filter((code) => code === 'overloaded')).toHaveLength(extra)
  expect(codes.filter((code) => code === 'done')).toHaveLength(LIMITS.writesWaitingMax)
  expect(codes.slice(-extra)).toEqual(Array(extra).fill('overloaded'))
  expect(await store.accept([acceptance([])])).toMatchObject([{ duplicate: false }])
})

const OUTCOME_UNKNOWN = 'the outcome is unknown'

/** Which of the messages are in the file. */
function areStored(path: string, accepted: readonly Acceptance[]): boolean[] {
  using db = new DatabaseSync(path, { readOnly: true })
  const ids = new Set(
    db
      .prepare('SELECT id FROM msg')
      .all()
      .map((row) => row['id']),
  )
  return accepted.map(({ message }) => ids.has(message.id))
}

test('a write that waits for too long is refused and not made; of one that is on its way the outcome is unknown', async () => {
  await using directory = await tempDirectory()
  const path = directory.file('hookferry.db')
  const client = await ThreadClient.open({
    role: 'writer',
    path,
    isPatient: false,
    keys: [],
    waitingMax: 10,
    timeoutMs: 50,
    batchesInFlight: 1,
    batchMax: 1,
    weigh: () => 100,
    onDeath: () => {},
  })
  const [onItsWay, waiting, later] = [acceptance([]), acceptance([]), acceptance([])]
  const accept = (one: Acceptance) => client.call(['accept', [one]])
  using lock = new DatabaseSync(path, { timeout: 5_000 })
  lock.exec('BEGIN IMMEDIATE')
  const asked = [accept(onItsWay), accept(waiting)]
  const results = (await Promise.allSettled(asked)) as PromiseRejectedResult[]
  expect(results.map(codeOf)).toEqual(['store_unavailable', 'store_unavailable'])
  expect(results.map(({ reason }) => String(reason).includes(OUTCOME_UNKNOWN))).toEqual([true, false])
  expect(client.load).toEqual({ calls: 1, weight: 100 })
  lock.exec('ROLLBACK')
  // The answer that nobody waits for any more is not taken for the next one's.
  await expect.poll(() => client.load).toEqual({ calls: 0, weight: 0 })
  expect(await accept(later)).toMatchObject([{ messageId: later.message.id }])
  await client.close()
  expect(areStored(path, [waiting, later])).toEqual([false, true])
})

test('closing finishes what was asked for and refuses what comes later', async () => {
  await using directory = await tempDirectory()
  const path = directory.file('hookferry.db')
  const store = await openSqliteStore({ path })
  const accepted = Array.from({ length: 10_000 }, () => acceptance([]))
  const asked = accepted.map((one) => store.accept([one]))
  await store[Symbol.asyncDispose]()
  await Promise.all(asked)
  expect(areStored(path, accepted)).not.toContain(false)
  const late = acceptance([])
  await expect(store.accept([late])).rejects.toMatchObject({ code: 'shutting_down' })
  await expect(store.getMessage(APP, late.message.id)).rejects.toMatchObject({ code: 'shutting_down' })
  expect(areStored(path, [late])).toEqual([false])
})

/** The threads that are started from here on, in order. */
function collectThreads(): Disposable & { threads: Worker[] } {
  const threads: Worker[] = []
  const collect = (message: unknown) => threads.push((message as { worker: Worker }).worker)
  subscribe('worker_threads', collect)
  return { threads, [Symbol.dispose]: () => unsubscribe('worker_threads', collect) }
}

const EVERYTHING = { limit: 1, offset: 0, from: null, since: null, q: null }

test('lists and searches start a thread each when they are first asked for', async () => {
  using started = collectThreads()
  await using opened = await openTempStore()
  const { store } = opened
  await store.accept([acceptance([])])
  await store.getMessage(APP, acceptance([]).message.id)
  expect(started.threads).toHaveLength(2)
  await Promise.all([store.listInbox(EVERYTHING), store.listInbox(EVERYTHING)])
  expect(started.threads).toHaveLength(3)
  await store.listInbox({ ...EVERYTHING, q: 'text' })
  await store.listInbox({ ...EVERYTHING, q: 'text' })
  expect(started.threads).toHaveLength(4)
  await store[Symbol.asyncDispose]()
  await expect(store.listInbox(EVERYTHING)).rejects.toMatchObject({ code: 'shutting_down' })
  expect(started.threads).toHaveLength(4)
})

test('a list that no thread could be started for fails as the store does, and the next one tries again', async () => {
  await using directory = await tempDirectory()
  const path = directory.file('hookferry.db')
  await (await openSqliteStore({ path }))[Symbol.asyncDispose]()
  let isThere = false
  const open = () =>
    ThreadClient.open({
      role: 'reader',
      path: isThere ? path : `${path}-elsewhere`,
      keys: [],
      isPatient: true,
      waitingMax: 1,
      timeoutMs: 1_000,
      batchesInFlight: 1,
      batchMax: 1,
      onBatch: () => {},
      onDeath: () => {},
    })
  const late = new LateThread(open)
  await expect(late.call(['listInbox', EVERYTHING])).rejects.toMatchObject({ code: 'store_unavailable' })
  isThere = true
  expect(await late.call(['listInbox', EVERYTHING])).toMatchObject({ total: 0 })
  await late.close()
})

/** Opens a store and hands out its writing thread, which is the first that it starts. */
async function openWithWriter(path: string, onDeath: (error: Error) => void) {
  using started = collectThreads()
  const store = await openSqliteStore({ path, onDeath })
  return { store, writer: started.threads[0]! }
}

/** Looks into the file, without letting anything else happen meanwhile, until the message is there. */
function waitUntilStored(path: string, { message }: Acceptance): void {
  using db = new DatabaseSync(path, { readOnly: true })
  const find = db.prepare('SELECT 1 FROM msg WHERE app_id = ? AND id = ?')
  const deadline = performance.now() + 10_000
  while (find.get(message.appId, message.id) === undefined)
    if (performance.now() > deadline) throw new Error('the message was not stored')
}

test('when the writing thread dies its owner is told, and what is answered with a refusal was not stored', async () => {
  await using directory = await tempDirectory()
  const path = directory.file('hookferry.db')
  const deaths: Error[] = []
  const { store, writer } = await openWithWriter(path, (error) => deaths.push(error))
  const accepted = Array.from({ length: 5_000 }, () => acceptance([]))
  const asked = accepted.map((one) => store.accept([one]))
  // The first answer is here: the next batch is on its way, and the others wait.
  await asked[0]
  await writer.terminate()
  const results = await Promise.allSettled(asked)
  expect(deaths).toHaveLength(1)
  expect(new Set(results.map(codeOf))).toEqual(new Set(['done', 'store_unavailable']))
  await expect(store.accept([acceptance([])])).rejects.toBeInstanceOf(GatewayError)
  await store[Symbol.asyncDispose]()

  const isStored = areStored(path, accepted)
  const lied = results.filter((result, i) =>
    result.status === 'fulfilled' ? !isStored[i] : isStored[i] && !String(result.reason).includes(OUTCOME_UNKNOWN),
  )
  expect(lied).toEqual([])
})

test('when the writing thread dies between a commit and its answer, nobody is told that nothing was stored', async () => {
  // Now and then the answer is faster than the end of the thread.
  for (let tries = 0, isUnknown = false; tries < 5 && !isUnknown; tries++) {
    await using directory = await tempDirectory()
    const path = directory.file('hookferry.db')
    const { store, writer } = await openWithWriter(path, () => {})
    // So much that the commit is followed by a checkpoint: it is in the file for a while before its answer is sent.
    const payload = new Uint8Array(1_048_576)
    const accepted = Array.from({ length: 15 }, () => acceptance([], { payload }))
    const asked = Promise.allSettled(accepted.map((one) => store.accept([one])))
    await new Promise((resolve) => setImmediate(resolve))
    waitUntilStored(path, accepted[0]!)
    await writer.terminate()
    const results = await asked
    await store[Symbol.asyncDispose]()
    expect(areStored(path, accepted)).not.toContain(false)
    isUnknown = results.some((result) => result.status === 'rejected')
    const refusals = results.flatMap((result) =>
      result.status === 'rejected' ? [(result.reason as Error).message] : [],
    )
    expect(refusals.filter((refusal) => !refusal.includes(OUTCOME_UNKNOWN))).toEqual([])
  }
})
