/** Requests made out of the gateway's own documents. `npm run attack -- fuzz` makes more of them, with any seed. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, expect, test } from 'vitest'
import { fuzz } from '../../attack/fuzz/fuzz.ts'
import { sign, startSvixGateway } from '../svix/svix-gateway.ts'

const WEBHOOK_SECRET = 'the inbox secret'
const { gateway, org, ...gate } = await startSvixGateway({ WEBHOOK_SECRET })
afterAll(() => gate[Symbol.asyncDispose]())

const HEAP_GROWTH_MAX = 64 * 1_048_576

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
function heapBytes(): number {
  collect()
  return process.memoryUsage().heapUsed
}

test('whatever is asked, in time there is an answer, it is no 5xx, and a refusal is small', async () => {
  const app = await org.ask('POST /app?get_if_exists=true', { name: 'Fuzz', uid: 'fuzz' })
  const portal = { org: 'org_acme', sub: app.id }
  const before = heapBytes()
  const report = await fuzz({
    url: gateway.url,
    seed: 20_260_115,
    requests: 2_000,
    webhookSecret: WEBHOOK_SECRET,
    tokens: [
      await sign({ sub: 'org_acme' }),
      await sign(portal),
      await sign({ ...portal, capabilities: ['ViewBase'] }),
      await sign({ sub: 'nobody' }),
      'no.token.at-all',
    ],
  })
  expect(report.faults).toEqual([])
  expect([...report.asked.keys()].toSorted()).toEqual(report.documented.toSorted())
  // Requests that are all refused at the door would prove little.
  const never = report.documented.filter((name) => !report.succeeded.has(name))
  expect(never).toEqual(['POST /api/v1/auth/logout'])
  expect(await gateway.ask('/health/live')).toEqual({ status: 'ok' })
  expect(gateway.log.filter((line) => line['fatal'] !== undefined)).toEqual([])
  expect(heapBytes() - before).toBeLessThan(HEAP_GROWTH_MAX)
  const { endpoint, msg } = gateway.rows()
  expect([endpoint < 2_000, msg < 20_000]).toEqual([true, true])
}, 120_000)
