/**
 * What every store guarantees, whatever its engine. Each test opens a store of its own and passes the time in.
 *
 *   storeConformance('SQLite', open)
 */
import { describe } from 'vitest'
import type { OpenStore } from './builders.ts'
import { acceptConformance } from './store-accept.ts'
import { announceConformance } from './store-announce.ts'
import { answerConformance } from './store-answers.ts'
import { applicationConformance } from './store-applications.ts'
import { claimConformance } from './store-claim.ts'
import { claimOrderConformance } from './store-claim-order.ts'
import { clockConformance } from './store-clock.ts'
import { deliveryListConformance } from './store-delivery-list.ts'
import { endpointEffectConformance } from './store-endpoint-effects.ts'
import { endpointPagingConformance } from './store-endpoint-paging.ts'
import { endpointConformance } from './store-endpoints.ts'
import { eventTypeConformance } from './store-event-types.ts'
import { expungeConformance } from './store-expunge.ts'
import { holdConformance } from './store-hold.ts'
import { inboxConformance } from './store-inbox.ts'
import { leaseConformance } from './store-leases.ts'
import { listConformance } from './store-lists.ts'
import { manualConformance } from './store-manual.ts'
import { modelConformance } from './store-model.ts'
import { readConformance } from './store-reads.ts'
import { resendConformance } from './store-resend.ts'
import { retentionConformance } from './store-retention.ts'
import { settleConformance } from './store-settle.ts'
import { sourceStoreConformance } from './store-sources.ts'
import { taskKindConformance } from './store-task-kinds.ts'
import { taskConformance } from './store-tasks.ts'

const PARTS: [what: string, suite: (open: OpenStore) => void][] = [
  ['accepting', acceptConformance],
  ['claiming', claimConformance],
  ['the order of claims', claimOrderConformance],
  ['settling', settleConformance],
  ['manual attempts', manualConformance],
  ['what an attempt means for its endpoint', endpointEffectConformance],
  ['leases', leaseConformance],
  ['a clock that is put back', clockConformance],
  ['endpoints that are held', holdConformance],
  ['endpoints', endpointConformance],
  ['pages of endpoints', endpointPagingConformance],
  ['applications', applicationConformance],
  ['sources', sourceStoreConformance],
  ['event types', eventTypeConformance],
  ['answers that are given once', answerConformance],
  ['what is told along with a write', announceConformance],
  ['sending again', resendConformance],
  ['lists and counts', listConformance],
  ['the list of deliveries', deliveryListConformance],
  ['taking contents out', expungeConformance],
  ['tasks', taskConformance],
  ['what tasks do', taskKindConformance],
  ['the inbox', inboxConformance],
  ['reading', readConformance],
  ['retention', retentionConformance],
  ['any sequence of operations', modelConformance],
]

export function storeConformance(name: string, open: OpenStore): void {
  describe.each(PARTS)(`${name}: %s`, (_, suite) => {
    suite(open)
  })
}
