import { within } from '../../bench/processes.ts'
import type { Attack, Check } from '../attack.ts'
import { type Ask, atRate, openTenants, quantile, startGood, startSilent } from './tenants-rig.ts'

/** The second one has an endpoint for each attempt that the node can make at a time, and more. */
const ATTACKERS = [
  { name: 'hanging', endpoints: 200, messagesEach: 30 },
  { name: 'many', endpoints: 600, messagesEach: 10 },
] as const
type Attacker = (typeof ATTACKERS)[number]

const EVERY_MS = 20
const WARM_UP = 200
const COUNT = 750
/** Beside twice the normal, for what shares the machine. */
const NOISE_MS = 5
const AT_ONCE = 10

/** Time-outs and retries come round several times while the other tenant is watched. */
const SETTINGS = { DELIVERY_TIMEOUT: '5s', RETRY_SCHEDULE: '3s,3s,3s' }

export const hangingTenant: Attack = {
  about:
    'one tenant’s 200 endpoints, and then another one’s 600, never answer and have 6,000 messages; a third tenant is served as before',
  async run(settings) {
    const tenants = await openTenants(settings, SETTINGS)
    await using silent = await startSilent()
    await using well = await openWell(await tenants.organization('well'))
    await well.measure(WARM_UP)
    const normal = await well.measure(COUNT)
    const checks: Check[] = []
    for (const attacker of ATTACKERS) {
      await attack(await tenants.organization(attacker.name), attacker, silent.url)
      checks.push(...judge(attacker, normal, await well.measure(COUNT)))
    }
    return [{ what: `${silent.most} attempts were held open at a time`, holds: silent.most >= 384 }, ...checks]
  },
}

function judge({ endpoints }: Attacker, normal: readonly number[], meanwhile: readonly number[]): Check[] {
  const words = (tookMs: readonly number[]) =>
    [0.5, 0.9, 0.99, 1].map((part) => quantile(tookMs, part).toFixed(1)).join(', ')
  return [
    {
      what: `${endpoints} endpoints: ${meanwhile.length} of ${COUNT} arrived meanwhile`,
      holds: meanwhile.length === COUNT,
    },
    {
      what: `p50, p90, p99, max were ${words(normal)} ms, and ${words(meanwhile)} ms meanwhile (bound of p99: twice and ${NOISE_MS} ms)`,
      holds: quantile(meanwhile, 0.99) <= 2 * quantile(normal, 0.99) + NOISE_MS,
    },
  ]
}

/** A tenant with one endpoint that answers; `measure` sends so many and says what each took, from the request to its arrival, ms. */
async function openWell(ask: Ask) {
  const arrivedAt = new Map<string, number>()
  const receiver = await startGood((body) => arrivedAt.set(body, performance.now()))
  await ask('POST /app', { name: 'Well', uid: 'well' })
  await ask('POST /app/well/endpoint', { url: receiver.url })
  let rounds = 0
  return {
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
    async measure(count: number): Promise<number[]> {
      const round = ++rounds
      const sentAt = new Map<string, number>()
      await atRate(count, EVERY_MS, async (index) => {
        const payload = { round, index }
        sentAt.set(JSON.stringify(payload), performance.now())
        await ask('POST /app/well/msg', { eventType: 'seen', payload })
      })
      const isThere = () => [...sentAt.keys()].every((body) => arrivedAt.has(body))
      await within(20_000, () => Promise.resolve(isThere()))
      return [...sentAt].flatMap(([body, at]) => (arrivedAt.has(body) ? [arrivedAt.get(body)! - at] : []))
    },
  }
}

async function attack(ask: Ask, { name, endpoints, messagesEach }: Attacker, url: string): Promise<void> {
  await ask('POST /app', { name, uid: name })
  for (let i = 0; i < endpoints; i += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, () => ask(`POST /app/${name}/endpoint`, { url })))
  for (let i = 0; i < messagesEach; i++)
    await ask(`POST /app/${name}/msg`, { eventType: 'seen', payload: { index: i } })
}
