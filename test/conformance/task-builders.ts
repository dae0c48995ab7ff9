/** Tasks, and what they find. */
import type { EndpointId, MessageId } from '../../src/domain/ids.ts'
import type { TaskInfo } from '../../src/domain/task.ts'
import type { Store } from '../../src/store/store.ts'
import { A, acceptFor, APP, claim, givingUp, HOUR, leaseOf, newId, ORG, T0 } from './builders.ts'

/** When the tasks run: after everything that they are about. */
export const NOW = T0 + 24 * HOUR

export const task = (given: Partial<TaskInfo> = {}): TaskInfo => ({
  orgId: ORG,
  id: newId('qtask', given.createdAt),
  kind: 'endpoint.recover',
  appId: APP,
  endpointId: newId('ep'),
  since: T0,
  until: T0 + HOUR,
  status: 'running',
  added: 0,
  createdAt: T0,
  updatedAt: T0,
  ...given,
})

/** Steps until nothing runs any more; returns what each step added. */
export async function run(store: Store, max = 100, now = NOW): Promise<number[]> {
  const added: number[] = []
  for (let i = 0; i < 1_000; i++) {
    const step = await store.stepTask(now, max)
    if (step.task === null) return added
    added.push(step.added)
  }
  throw new Error('the tasks do not end')
}

export const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0)

/** A message whose delivery ended without success. */
export async function acceptFailed(store: Store, endpointId: EndpointId, receivedAt: number): Promise<MessageId> {
  const held = await acceptFor(store, endpointId, { receivedAt, lease: leaseOf(A) })
  await store.settle(givingUp(held))
  return held.msgId
}

/** The messages that are due, manual attempts and deliveries apart. */
export async function dueAt(store: Store, now = NOW): Promise<{ manual: MessageId[]; scheduled: MessageId[] }> {
  const { deliveries } = await claim(store, A, { now, max: 1_000, perEndpointMax: 1_000 })
  const of = (isManual: boolean) =>
    deliveries.flatMap((one) => (one.run > 0 === isManual ? [one.msgId] : [])).toSorted()
  return { manual: of(true), scheduled: of(false) }
}
