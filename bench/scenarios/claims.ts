// What a claim costs when a thousand deliveries are due and when a million are: it has to stay flat while a backlog grows.
// The store is asked directly, without a gateway around it.

import { join } from 'node:path'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { acceptance, endpoint } from '../../test/conformance/builders.ts'
import { heading, latency, line, percentiles, target } from '../report.ts'
import type { Settings } from '../session.ts'

const ENDPOINTS = 100
const FEW = 1_000
const CLAIMS = 300
const CLAIM_SIZE = 64
const FACTOR_MAX = 1.5
const PER_TRANSACTION = 2_000
const HOUR_MS = 3_600_000

/** Messages that are due, spread over the endpoints. */
async function fill(store: Store, count: number, endpoints: readonly Endpoint[], now: number): Promise<void> {
  for (let done = 0; done < count; done += PER_TRANSACTION)
    await store.accept(
      Array.from({ length: Math.min(PER_TRANSACTION, count - done) }, (_, i) =>
        acceptance([endpoints[(done + i) % endpoints.length]!.id], {
          receivedAt: now,
          expiresAt: now + HOUR_MS,
          dueAt: now - count + done + i,
        }),
      ),
    )
}

/** Claims some, puts them back, and so on: what is due stays as much as it was. */
async function measure(store: Store, now: number): Promise<Float64Array> {
  const tookMs = new Float64Array(CLAIMS)
  for (let i = 0; i < CLAIMS; i++) {
    const started = performance.now()
    const { deliveries } = await store.claim({
      lease: { owner: 'bench', until: now + 60_000 },
      now,
      max: CLAIM_SIZE,
      perEndpointMax: CLAIM_SIZE,
      payloadBytesMax: 32 * 1_048_576,
      skip: [],
      perApplicationMax: Infinity,
      skipApplications: [],
    })
    tookMs[i] = performance.now() - started
    if (deliveries.length !== CLAIM_SIZE) throw new Error(`a claim brought ${deliveries.length} deliveries`)
    await store.release(deliveries, 'bench', now - 1)
  }
  return tookMs
}

export async function claims(settings: Settings): Promise<boolean> {
  const { rows, folder, database } = settings
  heading(
    `claims of ${CLAIM_SIZE}: ${FEW.toLocaleString('en')} due against ${rows.toLocaleString('en')}, ${database.name}`,
  )
  const url = await database.url(join(folder, 'claims.db'))
  await using store = url.startsWith('sqlite:')
    ? await openSqliteStore({ path: url.slice('sqlite:'.length) })
    : await openPostgresStore({ url })
  const now = Date.now()
  const endpoints = Array.from({ length: ENDPOINTS }, () => endpoint({ createdAt: now }))
  for (const one of endpoints) await store.createEndpoint(one)
  await fill(store, FEW, endpoints, now)
  await measure(store, now)
  const few = latency(await measure(store, now))
  await fill(store, rows - FEW, endpoints, now)
  await measure(store, now)
  const many = latency(await measure(store, now))
  line(`${FEW.toLocaleString('en')} due`, percentiles(few))
  line(`${rows.toLocaleString('en')} due`, percentiles(many))
  const factor = many.p50 / few.p50
  line('many to few, p50', `${factor.toFixed(2)}   ${target(factor <= FACTOR_MAX, `≤ ${FACTOR_MAX}`)}`)
  return true
}
