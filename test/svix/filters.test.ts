/** Lists of messages and attempts, filtered in every way at once and page by page, against a plain model. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { eventually } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { isInWindow, type Item, pageOf, shown } from './paging-model.ts'
import { newTenant, type Page, startSvixGateway } from './sdk-gateway.ts'

const DAY_MS = 86_400_000
/** The gateway's time is that of the machine, and as much later as a test wants. */
let ahead = 0
const clock = { ...systemClock, now: () => systemClock.now() + ahead }
const receiver = await startReceiver()
const gateway = await startSvixGateway({ RETRY_SCHEDULE: '', ENDPOINT_DISABLE_AFTER: '365d' }, undefined, { clock })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

interface Message extends Item {
  eventType: string
  channels: string[] | null
  tags?: string[]
  timestamp: string
}
interface Attempt extends Item {
  msgId: string
  timestamp: string
  status: number
  responseStatusCode: number
}

const tenant = newTenant(gateway)
const MESSAGES = 70
/** Their receiver answers with the number in the event type; 0 is no answer at all. */
const TYPES = ['a.200', 'b.299', 'c.499', 'd.500', 'e.302', 'f.0']
const codeOf = (eventType: string) => Number(eventType.split('.')[1])
const CHANNELS = [null, ['eu'], ['us'], ['eu', 'us'], ['asia']]
const TAGS = [null, ['vip'], ['vip', 'trial'], ['trial']]
let messages: Message[] = []
let attempts: Attempt[] = []
let paths = { messages: '', attempts: '', attempted: '' }

beforeAll(async () => {
  const { svix } = tenant
  const { id: app } = await svix.application.create({ name: 'Filtered' })
  const hook = receiver.hook((response, { headers }) => {
    const code = codeOf(String(headers['x-event-type']))
    if (code === 0) response.destroy()
    else response.writeHead(code).end()
  })
  const { id: endpoint } = await svix.endpoint.create(app, { url: hook.url })
  // A message every three days, so that they fill more than two windows of ninety days.
  for (let n = 0; n < MESSAGES; n++) {
    const eventType = TYPES[n % TYPES.length]!
    const labels = { channels: CHANNELS[(n * 7) % 5]!, tags: TAGS[(n * 3) % 4]! }
    const { id } = await svix.message.create(app, { eventType, payload: {}, ...labels })
    const attempt = await eventually(async () => {
      const page = await tenant.ask<Page<Attempt>>(`/app/${app}/attempt/msg/${id}`)
      return page.data[0]
    })
    attempts.unshift(attempt)
    messages.unshift(await tenant.ask<Message>(`/app/${app}/msg/${id}`))
    if (n < MESSAGES - 1) ahead += 3 * DAY_MS
  }
  paths = {
    messages: `/app/${app}/msg`,
    attempts: `/app/${app}/attempt/endpoint/${endpoint}`,
    attempted: `/app/${app}/endpoint/${endpoint}/msg`,
  }
}, 60_000)

interface Filter {
  limit: number
  types?: string[] | undefined
  channel?: string | undefined
  tag?: string | undefined
  before?: number | undefined
  after?: number | undefined
  status?: number | undefined
  status_code_class?: number | undefined
  from?: { n: number; isBackwards: boolean } | undefined
}

const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined, freq: 2 })
/** Around the time of a message: some days before it to some days after it, or the moment itself. */
const moment = fc.record({ n: fc.nat(MESSAGES - 1), byMs: fc.constantFrom(0, 1, -1, 4, -4, DAY_MS, -DAY_MS) })
const common = {
  limit: fc.integer({ min: 1, max: 12 }),
  types: maybe(fc.subarray([...TYPES, 'z.unknown'], { minLength: 1 })),
  channel: maybe(fc.constantFrom('eu', 'us', 'asia', 'mars')),
  tag: maybe(fc.constantFrom('vip', 'trial', 'none')),
  before: maybe(moment),
  after: maybe(moment),
  from: maybe(fc.record({ n: fc.nat(MESSAGES - 1), isBackwards: fc.boolean() })),
}
const STATUSES = [0, 1, 2, 3, 4]
const CLASSES = [0, 100, 200, 300, 400, 500]

const timeOf = (at: { n: number; byMs: number } | undefined) => at && Date.parse(messages[at.n]!.timestamp) + at.byMs

const labelled = (message: Message, { types, channel, tag }: Filter) =>
  (types === undefined || types.includes(message.eventType)) &&
  (channel === undefined || (message.channels?.includes(channel) ?? false)) &&
  (tag === undefined || (message.tags?.includes(tag) ?? false))

/** The page that the gateway answers, and the one that the model has: of the `rows` that are wanted. */
async function bothPages<T extends Item & { timestamp: string }>(
  path: string,
  rows: readonly T[],
  filter: Filter,
  isWanted: (row: T) => boolean,
): Promise<Record<'answered' | 'expected', Page<string>>> {
  const { limit, types, before, after, from, ...rest } = filter
  const iterator = from && `${from.isBackwards ? '-' : ''}${rows[from.n]!.id}`
  const search = new URLSearchParams({ limit: String(limit) })
  for (const [name, value] of Object.entries({ ...rest, iterator, event_types: types?.join(',') }))
    if (value !== undefined) search.set(name, String(value))
  for (const [name, value] of Object.entries({ before, after }))
    if (value !== undefined) search.set(name, new Date(value).toISOString())
  const wanted = rows.filter(
    (row) => isInWindow(Date.parse(row.timestamp), { before, after, iterator }, clock.now()) && isWanted(row),
  )
  const fromTheEnd = after !== undefined && before === undefined
  const page = await tenant.ask<Page<Item>>(`${path}?${search.toString()}`)
  return { answered: shown(page), expected: pageOf(wanted, { limit, iterator, fromTheEnd }, false) }
}

const withTimes = <T extends { before?: { n: number; byMs: number } | undefined; after?: T['before'] }>(given: T) => ({
  ...given,
  before: timeOf(given.before),
  after: timeOf(given.after),
})
const RUNS = { numRuns: 400 }

test('messages are found by their types, channel, tag and time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.record(common), async (given) => {
      const filter = withTimes(given)
      const pages = await bothPages(paths.messages, messages, filter, (message) => labelled(message, filter))
      expect(pages.answered).toEqual(pages.expected)
    }),
    RUNS,
  )
})

test('attempts are found by what is true of their messages, by status and by the class of the status code', async () => {
  const messageOf = new Map(messages.map((message) => [message.id, message]))
  expect(attempts.map((one) => one.responseStatusCode)).toEqual(messages.map((message) => codeOf(message.eventType)))
  const filters = fc.record({
    ...common,
    status: maybe(fc.constantFrom(...STATUSES)),
    status_code_class: maybe(fc.constantFrom(...CLASSES)),
  })
  await fc.assert(
    fc.asyncProperty(filters, async (given) => {
      const filter = withTimes(given)
      const { status, status_code_class: codes } = filter
      const pages = await bothPages(
        paths.attempts,
        attempts,
        filter,
        (attempt) =>
          labelled(messageOf.get(attempt.msgId)!, filter) &&
          (status === undefined || attempt.status === status) &&
          (codes === undefined || Math.floor(attempt.responseStatusCode / 100) * 100 === codes),
      )
      expect(pages.answered).toEqual(pages.expected)
    }),
    RUNS,
  )
})

test('attempted messages are found by all that, and by what became of them', async () => {
  const filters = fc.record({ ...common, status: maybe(fc.constantFrom(...STATUSES)) })
  const statusOf = (message: Message) => (Math.floor(codeOf(message.eventType) / 100) === 2 ? 0 : 2)
  await fc.assert(
    fc.asyncProperty(filters, async (given) => {
      const filter = withTimes(given)
      const { status } = filter
      const pages = await bothPages(
        paths.attempted,
        messages,
        filter,
        (message) => labelled(message, filter) && (status === undefined || statusOf(message) === status),
      )
      expect(pages.answered).toEqual(pages.expected)
    }),
    RUNS,
  )
})

test('a walk through a filtered list stays within it', async () => {
  const search = `event_types=c.499,d.500&after=${messages[60]!.timestamp}&before=${messages[40]!.timestamp}&limit=2`
  const expected = messages
    .slice(41, 61)
    .filter(({ eventType }) => ['c.499', 'd.500'].includes(eventType))
    .map(({ id }) => id)
  for (const path of [paths.messages, paths.attempted]) {
    const found: string[] = []
    for (let iterator = '', done = false; !done;) {
      const page = await tenant.ask<Page<Item>>(`${path}?${search}&iterator=${iterator}`)
      found.push(...page.data.map((one) => one.id))
      iterator = page.iterator ?? ''
      done = page.done
    }
    expect(found).toEqual(expected)
  }
})

test('a list without bounds shows ninety days, and time before that when it is asked for', async () => {
  const ids = async (query = '') =>
    (await tenant.ask<Page<Item>>(`${paths.messages}?limit=250${query}`)).data.map((one) => one.id)
  // They are three days and some milliseconds apart.
  const all = messages.map((one) => one.id)
  expect(await ids()).toEqual(all.slice(0, 30))
  const [newest, oldest] = [messages[0]!, messages.at(-1)!]
  expect(await ids(`&before=${messages[30]!.timestamp}`)).toEqual(all.slice(31, 60))
  expect(await ids(`&after=${oldest.timestamp}`)).toEqual(all.slice(-30))
  expect(await ids(`&after=${oldest.timestamp}&before=${newest.timestamp}`)).toEqual(all.slice(1, 30))
  expect(await ids(`&iterator=${all[29]!}`)).toEqual(all.slice(30, 59))
})

test.each(['status=5', 'status=x', 'status=', 'status_code_class=250', 'status_code_class=2xx'])(
  '%s is not understood',
  async (query) => {
    const answer = await tenant.send(`${paths.attempts}?${query}`)
    expect([answer.status, answer.json()]).toEqual([400, { code: 'generic_error', detail: expect.any(String) }])
  },
)

test.each(['channel=a/b', 'channel=', 'tag=%20', `tag=${'x'.repeat(257)}`, 'event_types=a,b!'])(
  '%s is refused, for nothing can have such a name',
  async (query) => {
    for (const path of Object.values(paths)) expect((await tenant.send(`${path}?${query}`)).status).toBe(422)
  },
)
