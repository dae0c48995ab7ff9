/**
 * The proof for messages of the Svix API: what was answered 202 is there once and is delivered, however often the process is
 * killed, and whoever repeats a request gets the answer that he would have got the first time.
 */
import { randomInt } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, onTestFailed, test } from 'vitest'
import { randomNumbers } from '../acceptance/fake-svix.ts'
import { type Answer, type Client, Program, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { Caller, JWT_SECRET, newTenant, orgToken } from '../svix/sdk-gateway.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

const MESSAGES = 2_500
const CLIENTS = 24
/** The process dies in the middle of what comes after so many answers. */
const KILL_AFTER = [150, 400, 90, 700, 300]
const TOKEN = orgToken('org_storm')
const SEED = Number(process.env['STORM_SEED'] ?? randomInt(2 ** 32 - 1))

/** One message as its sender knows it. */
interface Sent {
  n: number
  eventId: string | null
  body: string
  /** The first answer. */
  text: string | null
  /** It was sent again without knowing what had become of it. */
  isRepeated: boolean
}

interface Stored {
  id: string
  event_id: string | null
  payload: string
  state: string
}

const messages = Array.from({ length: MESSAGES }, (_, n): Sent => {
  const eventId = n % 2 === 0 ? `order-${n}` : null
  // Numbers and spaces that do not survive being parsed and written again.
  const payload = `{"n":${n}, "amount":1.0,"big":12345678901234567890}`
  const body = `{"eventType":"order.paid",${eventId === null ? '' : `"eventId":"${eventId}",`}"payload":${payload}}`
  return { n, eventId, body, text: null, isRepeated: false }
})

const create = (client: Client, { body }: { body: string }, key: string): Promise<Answer> =>
  new Caller(client, TOKEN).send('/app/customer/msg?with_content=true', {
    body,
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
  })

/** As the SDK does it: three tries in all, after 50 and 100 ms, on 5xx and where there is no answer. */
async function createPatiently(client: Client, message: Sent): Promise<Answer | null> {
  for (const waitMs of [50, 100, null]) {
    const answer = await create(client, message, `auto_${message.n}`).catch(() => null)
    if (answer !== null && answer.status < 500) return answer
    message.isRepeated = true
    if (waitMs !== null) await sleep(waitMs)
  }
  return null
}

function stored({ databasePath }: Client): Stored[] {
  using database = new DatabaseSync(databasePath, { readOnly: true })
  const sql = `SELECT m.id, m.event_id, CAST(m.payload AS TEXT) AS payload, d.state FROM msg m
               LEFT JOIN delivery d ON d.app_id = m.app_id AND d.msg_id = m.id ORDER BY m.id`
  return database.prepare(sql).all() as unknown as Stored[]
}

test(
  'what was answered 202 is there once, whatever is killed and whatever is sent again',
  { timeout: 180_000 },
  async () => {
    onTestFailed(() => void process.stderr.write(`STORM_SEED=${SEED}\n`))
    const random = randomNumbers(SEED)
    const hook = receiver.hook()
    using directory = temporaryDirectory()
    let port = '0'
    let program: Program | null = null
    await using atTheEnd = new AsyncDisposableStack()
    atTheEnd.defer(async () => program?.[Symbol.asyncDispose]())
    const live = async () => {
      program = new Program(directory.path, { JWT_SECRET, PORT: port })
      const client = await program.client()
      port = new URL(client.url).port
      return client
    }

    const client = await live()
    const { svix } = new Caller(client, TOKEN)
    await svix.application.create({ name: 'Customer', uid: 'customer' })
    await svix.endpoint.create('customer', { url: hook.url })

    const kills = [...KILL_AFTER]
    let answers = 0
    let reborn: Promise<unknown> = Promise.resolve()
    const noteAnswer = () => {
      if (++answers !== kills[0]) return
      kills.shift()
      answers = 0
      program?.signal('SIGKILL')
      reborn = program!.exited().then(live)
    }

    const pending = [...messages]
    const done: Sent[] = []
    /** Answers to repeats that are not those of the first time. */
    const differing: Answer[] = []
    const work = async () => {
      for (let message = pending.shift(); message !== undefined; message = pending.shift()) {
        const answer = await createPatiently(client, message)
        if (answer === null) {
          // The SDK has given up; its user comes back with the same key once the server is there again.
          await reborn
          pending.push(message)
          continue
        }
        expect([answer.status, answer.text]).toEqual([202, expect.stringContaining(`"payload":{"n":${message.n}, `)])
        message.text = answer.text
        done.push(message)
        noteAnswer()
        if (random() < 0.2) {
          const again = done[Math.floor(random() * done.length)]!
          const repeated = await createPatiently(client, again)
          if (repeated !== null && (repeated.status !== 202 || repeated.text !== again.text)) differing.push(repeated)
        }
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, work))
    await reborn
    expect(kills).toEqual([])
    expect(differing).toEqual([])
    expect(done).toHaveLength(MESSAGES)
    // Otherwise nothing was proved.
    expect(messages.filter(({ isRepeated }) => isRepeated).length).toBeGreaterThan(KILL_AFTER.length)

    const allDelivered = () => stored(client).filter(({ state }) => state !== 'delivered')
    await expect.poll(allDelivered, { interval: 50, timeout: 60_000 }).toEqual([])
    const rows = new Map(stored(client).map((row) => [row.id, row]))
    expect(rows.size).toBe(MESSAGES)
    const received = new Map(hook.received.map(({ headers, body }) => [String(headers['webhook-id']), body.toString()]))
    expect(received.size).toBe(MESSAGES)
    for (const { n, eventId, text, body } of messages) {
      const { id } = JSON.parse(text!) as { id: string }
      const payload = `{"n":${n}, "amount":1.0,"big":12345678901234567890}`
      expect(body).toContain(payload)
      expect(rows.get(id)).toMatchObject({ event_id: eventId, payload })
      expect(received.get(id)).toBe(payload)
    }

    // Every answer is still known, also to the process that never gave it; under another key an event id is a conflict.
    for (const message of messages.filter(({ n }) => n % 10 === 0)) {
      expect(await create(client, message, `auto_${message.n}`)).toMatchObject({ status: 202, text: message.text })
      expect(await create(client, message, `another_${message.n}`)).toMatchObject({ status: 409 })
    }
    expect(stored(client)).toHaveLength(MESSAGES)
    client.agent.destroy()
  },
)

test('what the gateway tells of itself survives a kill right after the write that it tells of', async () => {
  using directory = temporaryDirectory()
  const hook = receiver.hook()
  const created: string[] = []
  {
    await using program = new Program(directory.path, { JWT_SECRET })
    const client = await program.client()
    const { svix } = newTenant(client, 'org_storm')
    await svix.operationalWebhook.endpoint.create({ url: hook.url })
    await svix.application.create({ name: 'Customer', uid: 'customer' })
    const clients = Array.from({ length: 8 }, async () => {
      for (;;) {
        const one = await svix.endpoint.create('customer', { url: 'http://127.0.0.1:9/' }).catch(() => null)
        if (one === null) return
        created.push(one.id)
        if (created.length === 60) program.signal('SIGKILL')
      }
    })
    await Promise.all(clients)
    client.agent.destroy()
  }
  await using program = new Program(directory.path, { JWT_SECRET })
  const client = await program.client()
  const told = () =>
    new Set(
      hook.received.map(
        ({ body }) => (JSON.parse(body.toString()) as { data: { endpointId: string } }).data.endpointId,
      ),
    )
  await expect.poll(() => created.filter((id) => !told().has(id)), { timeout: 30_000 }).toEqual([])
  const { data, done } = await newTenant(client, 'org_storm').svix.endpoint.list('customer', { limit: 250 })
  expect(done).toBe(true)
  await expect.poll(() => [...told()].sort(), { timeout: 30_000 }).toEqual(data.map(({ id }) => id).sort())
  client.agent.destroy()
})
