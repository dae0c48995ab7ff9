import { afterAll, beforeAll, describe } from 'vitest'
import type { OpenStore } from '../conformance/builders.ts'
import { acceptConformance } from '../conformance/store-accept.ts'
import { announceConformance } from '../conformance/store-announce.ts'
import { answerConformance } from '../conformance/store-answers.ts'
import { claimConformance } from '../conformance/store-claim.ts'
import { claimOrderConformance } from '../conformance/store-claim-order.ts'
import { endpointEffectConformance } from '../conformance/store-endpoint-effects.ts'
import { endpointConformance } from '../conformance/store-endpoints.ts'
import { inboxConformance } from '../conformance/store-inbox.ts'
import { leaseConformance } from '../conformance/store-leases.ts'
import { manualConformance } from '../conformance/store-manual.ts'
import { modelConformance } from '../conformance/store-model.ts'
import { readConformance } from '../conformance/store-reads.ts'
import { retentionConformance } from '../conformance/store-retention.ts'
import { settleConformance } from '../conformance/store-settle.ts'
import { missingPostgres } from '../postgres-server.ts'
import { type TempPostgres, tempPostgres } from './temp-postgres.ts'

/** All that this engine can do so far; once it can do the rest, `storeConformance` says the same in one line. */
const PARTS: [what: string, suite: (open: OpenStore) => void][] = [
  ['accepting', acceptConformance],
  ['claiming', claimConformance],
  ['the order of claims', claimOrderConformance],
  ['settling', settleConformance],
  ['manual attempts', manualConformance],
  ['what an attempt means for its endpoint', endpointEffectConformance],
  ['leases', leaseConformance],
  ['endpoints', endpointConformance],
  ['answers that are given once', answerConformance],
  ['what is told along with a write', announceConformance],
  ['the inbox', inboxConformance],
  ['reading', readConformance],
  ['retention', retentionConformance],
  ['any sequence of operations', modelConformance],
]

describe.skipIf(missingPostgres() !== null)('PostgreSQL', () => {
  let postgres: TempPostgres | undefined
  beforeAll(async () => {
    postgres = await tempPostgres()
  })
  afterAll(() => postgres?.[Symbol.asyncDispose]())

  describe.each(PARTS)('%s', (_, suite) => {
    suite(() => postgres!.open())
  })
})
