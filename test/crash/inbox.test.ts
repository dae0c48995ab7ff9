import { isDeepStrictEqual } from 'node:util'
import { DatabaseSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { type Client, Program, type Sending, soon, startGateway, temporaryDirectory } from '../acceptance/gateway.ts'
import {
  inboxMessage,
  type InboxMessage,
  inboxRows,
  listAll,
  metrics,
  post,
  SECRET,
  sign,
  stats,
  take,
} from '../acceptance/inbox-gateway.ts'
import { countOf, inOrder } from '../acceptance/inbox-model.ts'
import { startReceiver } from '../acceptance/receiver.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

const NO_RESULTS = { created: 0, duplicate: 0, invalid_signature: 0, validation_error: 0, error: 0 }
const results = (counts: Partial<typeof NO_RESULTS>) =>
  Object.fromEntries(Object.entries({ ...NO_RESULTS, ...counts }).map(([result, count]) => [`result=${result}`, count]))

/** Requests to `/webhook` by status. */
async function statuses(client: Client): Promise<Record<string, number>> {
  const all = Object.entries(await metrics(client, 'http_requests_total'))
  const ofWebhook = all.filter(([labels]) => labels.startsWith('path=/webhook,'))
  return Object.fromEntries(ofWebhook.map(([labels, count]) => [labels.replace('path=/webhook,status=', ''), count]))
}

/** What was published for each message, in the order of their ids. */
function published(client: Client): string[] {
  using database = new DatabaseSync(client.databasePath, { readOnly: true })
  const sql = `SELECT CAST(payload AS TEXT) AS payload FROM messages JOIN msg ON msg.id = messages.msg_id
               WHERE event_type = 'message.received' ORDER BY message_id`
  return database
    .prepare(sql)
    .all()
    .map((row) => String(row['payload']))
}

/** Every way to look at the inbox shows the same messages, and each was published once. Returns them. */
async function consistentMessages(client: Client): Promise<InboxMessage[]> {
  const all = await listAll(client)
  expect(all).toEqual(inOrder(all))
  expect(new Set(all.map((message) => message.message_id)).size).toBe(all.length)
  expect(await stats(client)).toEqual(countOf(all))
  const rows = inboxRows(client).map(({ message_id, from_msisdn: from, to_msisdn: to, ts, text }) => ({
    message_id,
    from,
    to,
    ts,
    text,
  }))
  expect(inOrder(rows)).toEqual(all)
  expect(client.rows().msg).toBe(all.length)
  expect(inOrder(published(client).map((payload) => JSON.parse(payload) as InboxMessage))).toEqual(all)
  return all
}

test('a thousand concurrent posts of one message_id are one message, created once and 999 times a duplicate', async () => {
  await using gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
  const hook = receiver.hook()
  await gateway.subscribe({ target_url: hook.url, event_types: ['message.received'] })
  const messages = Array.from({ length: 1_000 }, (_, n) =>
    inboxMessage({ message_id: 'the one', from: `+${n}`, text: `${n}` }),
  )
  const answers = await Promise.all(messages.map((message) => post(gateway, message)))
  expect(new Set(answers.map((answer) => `${answer.status} ${answer.text}`))).toEqual(new Set(['200 {"status":"ok"}']))

  const [stored, ...others] = await consistentMessages(gateway)
  expect(others).toEqual([])
  expect(messages).toContainEqual(stored)
  await soon(() => metrics(gateway, 'webhook_requests_total')).toEqual(results({ created: 1, duplicate: 999 }))
  expect(await statuses(gateway)).toEqual({ 200: 1_000 })
  await soon(() => hook.received.map((request) => JSON.parse(request.body.toString()) as unknown)).toEqual([stored])
  expect(gateway.rows()).toMatchObject({ msg: 1, delivery: 1 })
})

/** A request of the mixed storm, and how it has to be answered. */
interface Sent {
  status: number
  sending: Sending
  /** Of a valid one. */
  message?: InboxMessage
}

const STORM_SEED = 20_250_115
const MAX_BODY_BYTES = 2_048

function stormOf(requests: number): Sent[] {
  const signed = (body: string | Buffer): Sending => ({ body, headers: { 'x-signature': sign(body) } })
  const ofNobody = (text = 'x') => JSON.stringify(inboxMessage({ from: '+666', text }))
  const valid = fc.record({ id: fc.nat({ max: 299 }), version: fc.nat({ max: 2 }) }).map(({ id, version }) => {
    const message = inboxMessage({
      message_id: `storm-${id}`,
      from: `+${(id * (version + 1)) % 23}`,
      ts: `2025-01-${10 + (id % 20)}T10:00:${10 + version}.${id}Z`,
      text: version === 0 ? null : `version ${version} of ${id}`,
    })
    return { status: 200, sending: signed(JSON.stringify(message)), message }
  })
  const unsigned = fc
    .constantFrom({}, { 'x-signature': '' }, { 'x-signature': '123' }, { 'x-signature': sign('another') })
    .chain((headers) =>
      fc.constantFrom(ofNobody(), '{', '').map((body) => ({ status: 401, sending: { body, headers } })),
    )
  const malformed = fc
    .constantFrom('', '{', '[]', ofNobody().replace('+666', '666'), ofNobody().replace('2025', '0000'), Buffer.of(0xff))
    .map((body) => ({ status: 422, sending: signed(body) }))
  const oversized = fc
    .record({ bytes: fc.integer({ min: MAX_BODY_BYTES, max: 20_000 }), chunked: fc.boolean() })
    .map(({ bytes, chunked }) => ({ status: 413, sending: { ...signed(ofNobody('x'.repeat(bytes))), chunked } }))
  const any: fc.Arbitrary<Sent> = fc.oneof({ weight: 6, arbitrary: valid }, unsigned, malformed, oversized)
  return fc.sample(any, { numRuns: requests, seed: STORM_SEED })
}

test('a storm of valid, repeated, unsigned, malformed and oversized requests leaves what it should, and is counted to the last one', async () => {
  await using gateway = await startGateway({ WEBHOOK_SECRET: SECRET, MAX_BODY: `${MAX_BODY_BYTES}b` })
  const storm = stormOf(2_000)
  const answers = await Promise.all(
    storm.map(({ sending }) => gateway.send('/webhook', { method: 'POST', ...sending })),
  )
  expect(answers.map((answer) => answer.status)).toEqual(storm.map((sent) => sent.status))

  const valid = storm.flatMap(({ message }) => message ?? [])
  const ids = new Set(valid.map((message) => message.message_id))
  const all = await consistentMessages(gateway)
  expect(new Set(all.map((message) => message.message_id))).toEqual(ids)
  expect(all.filter((stored) => !valid.some((message) => isDeepStrictEqual(message, stored)))).toEqual([])

  const count = (status: number) => storm.filter((sent) => sent.status === status).length
  const created = ids.size
  for (const status of [200, 401, 413, 422]) expect(count(status)).toBeGreaterThan(100)
  await soon(() => statuses(gateway)).toEqual({ 200: count(200), 401: count(401), 413: count(413), 422: count(422) })
  expect(await metrics(gateway, 'webhook_requests_total')).toEqual(
    results({
      created,
      duplicate: count(200) - created,
      invalid_signature: count(401),
      validation_error: count(422),
      error: count(413),
    }),
  )
})

/** Posts from 32 clients at once, a quarter of it again, and kills the program in the middle, after so many answers. */
async function stormUntilKilled(
  { program, client }: { program: Program; client: Client },
  killAfter: number,
  { sent, answered }: { sent: InboxMessage[]; answered: Set<InboxMessage> },
): Promise<void> {
  let answers = 0
  const post32 = async (worker: number) => {
    for (let turn = worker; ; turn++) {
      const again = turn % 4 === 0 ? sent[(turn * 7_919) % sent.length] : undefined
      const n = sent.length
      const message =
        again ?? inboxMessage({ from: `+${n % 29}`, ts: `2025-01-15T10:${10 + (n % 50)}:00.${n}Z`, text: `text ${n}` })
      if (again === undefined) sent.push(message)
      const answer = await post(client, message).catch(() => null)
      if (answer === null) return
      expect(answer.status).toBe(200)
      answered.add(message)
      if (++answers === killAfter) program.signal('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: 32 }, (_, worker) => post32(worker)))
  expect(await program.exited()).toBeNull()
  client.agent.destroy()
}

test('kill -9 in the middle of a storm loses no message that was answered and doubles none, time after time', async () => {
  using directory = temporaryDirectory()
  const settings = { WEBHOOK_SECRET: SECRET, LOG_LEVEL: 'INFO' }
  const state = { sent: [] as InboxMessage[], answered: new Set<InboxMessage>() }

  const verify = async (client: Client) => {
    const all = await consistentMessages(client)
    const byId = new Map(all.map((message) => [message.message_id, message]))
    const lost = [...state.answered].filter((message) => !isDeepStrictEqual(byId.get(message.message_id), message))
    expect(lost).toEqual([])
    const sentById = new Map(state.sent.map((message) => [message.message_id, message]))
    expect(all.filter((message) => !isDeepStrictEqual(sentById.get(message.message_id), message))).toEqual([])
  }

  for (const killAfter of [700, 300, 1_100]) {
    await using program = new Program(directory.path, settings)
    const client = await program.client()
    await verify(client)
    await stormUntilKilled({ program, client }, killAfter, state)
  }
  expect(state.answered.size).toBeGreaterThan(1_000)

  // Whoever got no answer sends it again; after that each is there, once.
  await using program = new Program(directory.path, settings)
  const client = await program.client()
  await verify(client)
  await take(client, ...state.sent)
  await verify(client)
  expect(await listAll(client)).toEqual(inOrder(state.sent))
  client.agent.destroy()
})
