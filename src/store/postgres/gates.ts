/** Gates: each kind of work has its own queue, and its own share of the connections. */
import { LIMITS } from '../../domain/limits.ts'
import type { Accepted, Acceptance } from '../port/accept.ts'
import type { Settled, Settlement } from '../port/queue.ts'
import { Batcher, type OnBatch } from '../shared/batcher.ts'
import { bytesOf, type WaitingWrites } from '../weight.ts'
import { accept } from './accept.ts'
import type { Pool } from './database.ts'
import type { Partitions } from './partitions.ts'
import { repliesOf, succeeded } from './replies.ts'
import { settle } from './settle.ts'
import { toRefusal } from './trouble.ts'

type Work = () => Promise<unknown>
/** Runs `work` when it is its turn. */
type Gate = <T>(work: () => Promise<T>) => Promise<T>

export interface Gates {
  accept: (call: readonly Acceptance[]) => Promise<Accepted[]>
  settle: (settlement: Settlement) => Promise<Settled>
  write: Gate
  point: Gate
  list: Gate
  /** Shares the queue of the lists. */
  count: Gate
  search: Gate
  waiting: () => WaitingWrites
  /** Lets all accepted work finish. */
  close: () => Promise<void>
}

export interface GateOptions {
  onBatch: OnBatch | undefined
  timeoutMs: number
  /** Bytes of messages that may wait to be stored. */
  waitingBytesMax: number
  /** Most connections for writing, and for reading by key. */
  writesMax: number
  pointsMax: number
}

const BATCH_MAX = 512

export function openGates(writes: Pool, partitions: Partitions, options: GateOptions): Gates {
  const { onBatch, timeoutMs, writesMax, pointsMax, waitingBytesMax } = options
  // A quarter of the connections is for accepting, a quarter for settling, and the rest for everything else.
  const batchesInFlight = Math.max(1, Math.floor(writesMax / 4))
  const batches = {
    waitingMax: LIMITS.writesWaitingMax,
    timeoutMs,
    refusalOf: toRefusal,
    writes: true,
    batchesInFlight,
    batchMax: BATCH_MAX,
    ...(onBatch === undefined ? {} : { onBatch }),
  }
  const accepts = new Batcher<readonly Acceptance[], Accepted[]>({
    ...batches,
    weightMax: LIMITS.writeBatchBytesMax,
    weigh: bytesOf,
    waitingWeightMax: waitingBytesMax,
    run: (calls) => repliesOf(calls, async (some) => succeeded(await accept(writes, partitions, some))),
  })
  const settles = new Batcher<Settlement, Settled>({
    ...batches,
    run: (calls) => repliesOf(calls, (some) => settle(writes, partitions, some)),
  })
  const single = (waitingMax: number, inFlight: number, isWrite: boolean) =>
    new Batcher<Work, unknown>({
      waitingMax,
      timeoutMs,
      refusalOf: toRefusal,
      writes: isWrite,
      batchesInFlight: inFlight,
      batchMax: 1,
      run: async ([work]) => [{ ok: true, value: await work!() }],
    })
  const others = single(LIMITS.writesWaitingMax, Math.max(1, writesMax - 2 * batchesInFlight), true)
  const points = single(LIMITS.readsWaitingMax, pointsMax, false)
  const lists = single(LIMITS.readsWaitingMax, 1, false)
  const searches = single(LIMITS.readsWaitingMax, 1, false)
  const all = [accepts, settles, others, points, lists, searches]
  const through =
    (gate: Batcher<Work, unknown>): Gate =>
    <T>(work: () => Promise<T>) =>
      gate.call(work) as Promise<T>
  return {
    accept: (call) => (call.length === 0 ? Promise.resolve([]) : accepts.call(call)),
    settle: (settlement) => settles.call(settlement),
    write: through(others),
    point: through(points),
    list: through(lists),
    count: through(lists),
    search: through(searches),
    waiting: () => {
      const writes = [accepts, settles, others].reduce((sum, gate) => sum + gate.load.calls, 0)
      return { writes, bytes: accepts.load.weight }
    },
    close: async () => {
      await Promise.all(all.map((gate) => gate.close()))
    },
  }
}
