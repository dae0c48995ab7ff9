/** Lists give each object once and in order, whatever the size of the pages, forwards and backwards. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { type Item, iteratorOf, pageOf, shown } from './paging-model.ts'
import { newTenant, type Page, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway({ RETRY_SCHEDULE: '' })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

type Tenant = ReturnType<typeof newTenant>
const SIZES = [0, 1, 2, 7, 23]

interface List {
  /** Whether ids ascend without `order`. */
  ascends: boolean
  hasOrder: boolean
  prefix: string
  /** Makes `size` objects in an organization of its own, and returns the path of their list. */
  fill: (tenant: Tenant, size: number) => Promise<string>
}

const url = 'http://127.0.0.1:9/'
const times = <T>(n: number, make: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)))
const newApp = async ({ svix }: Tenant) => (await svix.application.create({ name: 'App' })).id
const message = { eventType: 'paged', payload: {} }

/** An application with an endpoint that has got `size` messages. */
async function attempted(tenant: Tenant, size: number) {
  const { svix } = tenant
  const app = await newApp(tenant)
  const { id: endpoint } = await svix.endpoint.create(app, { url: receiver.hook().url })
  await times(size, () => svix.message.create(app, message))
  await eventually(async () => (await svix.endpoint.getStats(app, endpoint)).success === size)
  return { app, endpoint }
}

const LISTS: Record<string, List> = {
  applications: {
    ascends: true,
    hasOrder: true,
    prefix: 'app',
    async fill({ svix }, size) {
      await times(size, (i) => svix.application.create({ name: `App ${i}` }))
      return '/app'
    },
  },
  endpoints: {
    ascends: false,
    hasOrder: true,
    prefix: 'ep',
    async fill(tenant, size) {
      const app = await newApp(tenant)
      await times(size, () => tenant.svix.endpoint.create(app, { url }))
      return `/app/${app}/endpoint`
    },
  },
  'operational endpoints': {
    ascends: false,
    hasOrder: true,
    prefix: 'ep',
    async fill({ svix }, size) {
      await times(size, () => svix.operationalWebhook.endpoint.create({ url }))
      return '/operational-webhook/endpoint'
    },
  },
  'event types': {
    ascends: true,
    hasOrder: true,
    prefix: '',
    async fill({ svix }, size) {
      // In the order of their bytes, in which every capital comes before every small letter.
      await times(size, (i) => svix.eventType.create({ name: `${'aB_c.D-9'[i % 8]}x${i}`, description: '' }))
      return '/event-type'
    },
  },
  'background tasks': {
    ascends: false,
    hasOrder: true,
    prefix: 'qtask',
    async fill({ svix, ...tenant }, size) {
      const app = await newApp({ svix, ...tenant } as Tenant)
      // One endpoint has only few that are not finished.
      await times(size, async () => {
        const { id } = await svix.endpoint.create(app, { url })
        return svix.endpoint.recover(app, id, { since: new Date() })
      })
      return '/background-task'
    },
  },
  messages: {
    ascends: false,
    hasOrder: false,
    prefix: 'msg',
    async fill(tenant, size) {
      const app = await newApp(tenant)
      await times(size, () => tenant.svix.message.create(app, message))
      return `/app/${app}/msg`
    },
  },
  'attempts at an endpoint': {
    ascends: false,
    hasOrder: false,
    prefix: 'atmpt',
    async fill(tenant, size) {
      const { app, endpoint } = await attempted(tenant, size)
      return `/app/${app}/attempt/endpoint/${endpoint}`
    },
  },
  'attempted messages': {
    ascends: false,
    hasOrder: false,
    prefix: 'msg',
    async fill(tenant, size) {
      const { app, endpoint } = await attempted(tenant, size)
      return `/app/${app}/endpoint/${endpoint}/msg`
    },
  },
  'attempts of a message': {
    ascends: false,
    hasOrder: false,
    prefix: 'atmpt',
    fill: async (tenant, size) => (await delivered(tenant, size)).replace(/msg\/(.*)\/endpoint$/, 'attempt/msg/$1'),
  },
  'attempted destinations': { ascends: true, hasOrder: false, prefix: 'ep', fill: delivered },
}

/** A message that `size` endpoints got. */
async function delivered(tenant: Tenant, size: number): Promise<string> {
  const { svix } = tenant
  const app = await newApp(tenant)
  await times(size, () => svix.endpoint.create(app, { url: receiver.hook().url }))
  const { id } = await svix.message.create(app, message)
  await eventually(async () => (await svix.messageAttempt.listByMsg(app, id)).data.length === size)
  return `/app/${app}/msg/${id}/endpoint`
}

describe.each(Object.entries(LISTS))('the list of %s', (_, { ascends, hasOrder, prefix, fill }) => {
  /** By size, in the order in which the list is shown without further ado. */
  const filled: { path: string; items: Item[]; ask: (query: Record<string, unknown>) => Promise<Page<Item>> }[] = []
  beforeAll(async () => {
    for (const size of SIZES) {
      const tenant = newTenant(gateway)
      const path = await fill(tenant, size)
      const ask = async (query: Record<string, unknown>) => {
        const given = Object.entries(query).filter(([, value]) => value !== undefined)
        const search = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))
        const page = await tenant.ask<Page<Item & { name?: string }>>(`${path}?${search.toString()}`)
        return { ...page, data: page.data.map((one) => ({ id: prefix === '' ? one.name! : one.id })) }
      }
      const { data: items } = await ask({ limit: 250 })
      filled.push({ path, items, ask })
    }
  })

  const order = fc.constantFrom(undefined, ...(hasOrder ? ['ascending', 'descending'] : []))
  const isAscending = (given: string | undefined) => (given === undefined ? ascends : given === 'ascending')
  const inOrder = (items: Item[], given: string | undefined) =>
    isAscending(given) === ascends ? items : items.toReversed()

  test('is in order and complete', () => {
    expect(filled.map(({ items }) => items.length)).toEqual(SIZES)
    for (const { items } of filled) {
      const ids = items.map((one) => one.id)
      expect(ids).toEqual(ascends ? ids.toSorted() : ids.toSorted().toReversed())
    }
  })

  test('gives each object once, forwards to the end and backwards to the start', async () => {
    const walks = fc.record({ at: fc.nat(SIZES.length - 1), limit: fc.integer({ min: 1, max: 25 }), order })
    const property = fc.asyncProperty(walks, async ({ at, limit, order }) => {
      const { ask, items } = filled[at]!
      const forwards: string[] = []
      let page = await ask({ limit, order })
      for (let pages = 1; ; pages++) {
        forwards.push(...page.data.map((one) => one.id))
        expect(pages).toBeLessThanOrEqual(items.length + 1)
        if (page.done) break
        page = await ask({ limit, order, iterator: page.iterator })
      }
      expect(forwards).toEqual(inOrder(items, order).map((one) => one.id))
      const backwards = page.data.map((one) => one.id)
      for (let pages = 1; page.prevIterator !== undefined; pages++) {
        page = await ask({ limit, order, iterator: page.prevIterator })
        backwards.unshift(...page.data.map((one) => one.id))
        expect(pages).toBeLessThanOrEqual(items.length + 1)
        if (page.done) break
      }
      expect(backwards).toEqual(forwards)
    })
    await fc.assert(property, { numRuns: 25 })
  })

  test('has the page that a plain model has, from wherever it is asked; done says whether anything follows', async () => {
    const requests = fc.record({
      at: fc.nat(SIZES.length - 1),
      limit: fc.integer({ min: 0, max: 25 }),
      order,
      /** Which object the iterator names, and whether it asks for what is before it. */
      from: fc.option(fc.record({ n: fc.nat(22), isBackwards: fc.boolean() }), { nil: undefined }),
    })
    const property = fc.asyncProperty(requests, async ({ at, limit, order, from }) => {
      const { ask, items } = filled[at]!
      const known = from && items.length > 0 ? items[from.n % items.length]!.id : undefined
      const iterator = known && (from!.isBackwards ? `-${known}` : iteratorOf(known))
      const page = await ask({ limit, order, iterator })
      expect(shown(page)).toEqual(pageOf(inOrder(items, order), { limit, iterator }, isAscending(order)))
    })
    await fc.assert(property, { numRuns: 120 })
  })

  test('takes limits from 0 to 250', async () => {
    const { path, items, ask } = filled[3]!
    const tenant = newTenant(gateway)
    expect(await ask({ limit: 0 })).toEqual({ data: [], iterator: null, done: false })
    expect((await ask({ limit: 250 })).data).toEqual(items)
    expect((await ask({})).data).toEqual(items)
    const tooMany = await tenant.send(`${path}?limit=251`)
    expect([tooMany.status, tooMany.json()]).toEqual([
      422,
      { detail: [{ loc: ['query', 'limit'], msg: 'Given limit must not exceed 250', type: 'value_error' }] },
    ])
    for (const limit of ['-1', '1.5', 'many', '', '0x10']) {
      const answer = await tenant.send(`${path}?limit=${limit}`)
      expect([limit, answer.status, answer.json()]).toEqual([
        limit,
        400,
        { code: 'generic_error', detail: expect.any(String) },
      ])
    }
  })

  test('refuses an iterator that is none of its own', async () => {
    const { path, ask } = filled[2]!
    expect((await ask({ iterator: '' })).data).toHaveLength(2)
    if (prefix === '') return
    const id = '2nXgE6tZ8Ff3Jv0YtC5pQwR1sLk'
    const wrong = [`org_${id}`, `${prefix}${id}`, id, 'x', '-', `${prefix}_`, `${prefix}_${id}x`, `--${prefix}_${id}`]
    const malformed = [`${prefix}_short`, `${prefix}_${'z'.repeat(27)}`, `${prefix}_${'-'.repeat(27)}`]
    for (const iterator of [...wrong, ...malformed].flatMap((one) => [one, `-${one}`])) {
      const answer = await newTenant(gateway).send(`${path}?iterator=${iterator}`)
      expect([iterator, answer.status, answer.json()]).toEqual([
        iterator,
        422,
        { detail: [{ loc: ['query', 'iterator'], msg: expect.stringMatching(/^Invalid id/), type: 'value_error' }] },
      ])
    }
  })
})
