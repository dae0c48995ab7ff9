import { join } from 'node:path'
import { JWT_SECRET, peakRssMb, startGateway } from '../../bench/processes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'
import type { Attack, Check } from '../attack.ts'
import { fuzz } from '../fuzz/fuzz.ts'

const WEBHOOK_SECRET = 'the inbox secret of the fuzz'
const RSS_MAX_MB = 700
const DAY_MS = 86_400_000

/** `FUZZ_SEED` and `FUZZ_REQUESTS` choose others: a fault names both. `FUZZ_DATABASE_URL` takes another database than a SQLite file. */
export const fuzzAttack: Attack = {
  about: 'asks for everything in the OpenAPI documents, well and badly (FUZZ_SEED, FUZZ_REQUESTS, FUZZ_DATABASE_URL)',
  async run({ folder, logFile }): Promise<Check[]> {
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
    const requests = Math.min(Number(process.env['FUZZ_REQUESTS'] ?? 20_000), 1_000_000)
    await using gateway = await startGateway({
      databaseUrl: process.env['FUZZ_DATABASE_URL'] ?? `sqlite:${join(folder, 'hookferry.db')}`,
      logFile,
      nodeOptions: [],
      webhookSecret: WEBHOOK_SECRET,
    })
    const tokens = createTokens(hs256(JWT_SECRET), systemClock)
    const sign = (claims: Record<string, unknown>) => tokens.sign(claims, Date.now() + DAY_MS)
    const url = `http://127.0.0.1:${gateway.port}`
    const organization = await sign({ sub: 'org_fuzz' })
    const made = await fetch(`${url}/api/v1/app`, {
      method: 'POST',
      headers: { authorization: `Bearer ${organization}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Fuzz', uid: 'fuzz' }),
    })
    const { id } = (await made.json()) as { id: string }
    const portal = { org: 'org_fuzz', sub: id }
    const readOnly = { ...portal, capabilities: ['ViewBase'] }
    const report = await fuzz({
      url,
      seed,
      requests,
      webhookSecret: WEBHOOK_SECRET,
      tokens: [organization, await sign(portal), await sign(readOnly), await sign({ sub: 'nobody' }), 'no.token'],
    })
    const rssMb = peakRssMb(gateway.pid)
    const live = await fetch(`${url}/health/live`)
    const asked = [...report.asked.values()].reduce((sum, count) => sum + count, 0)
    const statuses = [...report.statuses].map(([status, count]) => `${status} × ${count}`).toSorted()
    return [
      { what: `seed ${seed}: ${asked} requests, ${statuses.join(', ')}`, holds: asked === requests },
      ...report.faults.map((fault) => ({ what: fault, holds: false })),
      {
        what: `${report.asked.size} of ${report.documented.length} operations were asked for, ${report.succeeded.size} with success`,
        holds: report.asked.size === report.documented.length,
      },
      { what: `the gateway lives, with ${Math.round(rssMb)} MB at most`, holds: live.ok && !(rssMb > RSS_MAX_MB) },
    ]
  },
}
