/** Lists whose rows are as large as they can be: a page ends before it is too large, says so, and nothing is skipped. */
import { afterAll, expect, test } from 'vitest'
import { type List, startSvixGateway } from './svix-gateway.ts'

const { org, gateway, ofOrg, ...gate } = await startSvixGateway()
afterAll(() => gate[Symbol.asyncDispose]())

const PAGE_BYTES_MAX = 16 * 1_048_576
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)
const headers = Object.fromEntries(numbers(50).map((n) => [`x-${n}`, 'v'.repeat(4_096)]))
const target = 'http://127.0.0.1:9/'

async function everything(what: string, as = org): Promise<{ pages: List[]; names: unknown[] }> {
  const pages: List[] = []
  let iterator = ''
  do {
    const page = await as.ask<List>(`GET ${what}limit=250${iterator}`)
    pages.push(page)
    iterator = `&iterator=${page.iterator}`
    expect(JSON.stringify(page).length).toBeLessThan(PAGE_BYTES_MAX * 1.5)
  } while (!pages.at(-1)!.done)
  return { pages, names: pages.flatMap(({ data }) => data.map((one) => one['uid'] ?? one.name)) }
}

test('endpoints', async () => {
  const other = await ofOrg('org_of_many_types')
  await other.ask('POST /app', { name: 'Acme', uid: 'acme' })
  const eventTypes = numbers(500).map((n) => `${n}`.padEnd(256, 'x'))
  for (const name of eventTypes) await other.ask('POST /event-type', { name, description: '' })
  const made = numbers(150).map((n) => `e${String(n).padStart(3, '0')}`)
  for (const uid of made) await other.ask('POST /app/acme/endpoint', { url: target, uid, eventTypes })
  const { pages, names } = await everything('/app/acme/endpoint?order=ascending&', other)
  expect([pages.length > 1, names]).toEqual([true, made])
})

test('event types with their schemas; without them they are small', async () => {
  const made = numbers(245).map((n) => `t${String(n).padStart(3, '0')}`)
  const schemas = { 1: { enum: ['x'.repeat(65_400)] } }
  for (const name of made) await org.ask('POST /event-type', { name, description: 'd'.repeat(4_096), schemas })
  const { pages, names } = await everything('/event-type?with_content=true&')
  expect([pages.length > 1, names]).toEqual([true, made])
  expect((await everything('/event-type?')).pages).toHaveLength(1)
})

test('subscriptions: `limit` says how many there are, so that whoever goes on by it skips none', async () => {
  const made: string[] = []
  for (const _ of numbers(100)) made.push((await gateway.subscribe({ target_url: target, headers })).id)
  const seen: string[] = []
  let pages = 0
  for (let offset = 0; offset < made.length; pages++) {
    const page = await gateway.ask<{ data: { id: string }[]; limit: number; total: number }>(
      `/subscriptions?limit=250&offset=${offset}`,
    )
    expect(page.total).toBe(100)
    seen.push(...page.data.map(({ id }) => id))
    offset += page.limit
  }
  expect([pages > 1, seen]).toEqual([true, made])
})
