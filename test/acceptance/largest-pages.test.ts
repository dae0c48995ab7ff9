/** Pages whose size is bounded by what their rows may hold: the largest ones. */
import { join } from 'node:path'
import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import { afterAll, expect, test } from 'vitest'
import type { Attempt } from '../../src/domain/attempt.ts'
import { toAttempt } from '../../src/http/delivery-schemas.ts'
import { PAGE_BYTES_MAX } from '../../src/http/page-bytes.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { acceptance, createEndpoint, newId } from '../conformance/builders.ts'
import { startGateway, temporaryDirectory } from './gateway.ts'
import { inboxMessage, post, SECRET } from './inbox-gateway.ts'

/** Six bytes in JSON. */
const COSTLY = '\u0001'
const PAGE_MAX = 100

const gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
afterAll(() => gateway[Symbol.asyncDispose]())

test('a page of the inbox is below 3.4 MB, for a larger row is refused', async () => {
  const largest = {
    from: `+${'1'.repeat(1_023)}`,
    to: `+${'2'.repeat(1_023)}`,
    ts: `2025-01-15T10:00:00.${'1'.repeat(32)}Z`,
    text: COSTLY.repeat(4_096),
  }
  const idOf = (n: number) => String(n).padStart(3, '0') + COSTLY.repeat(1_021)
  for (let n = 0; n < PAGE_MAX; n++) {
    const answer = await post(gateway, inboxMessage({ ...largest, message_id: idOf(n) }))
    expect([answer.status, answer.text]).toEqual([200, '{"status":"ok"}'])
  }
  for (const larger of [
    { ...largest, message_id: `${idOf(1)}x` },
    { ...largest, from: `${largest.from}1` },
    { ...largest, to: `${largest.to}1` },
    { ...largest, text: `${largest.text}x` },
    { ...largest, ts: `2025-01-15T10:00:00.${'1'.repeat(33)}Z` },
  ])
    expect((await post(gateway, inboxMessage(larger))).status).toBe(422)
  const page = await gateway.send(`/messages?limit=${PAGE_MAX}`)
  expect((JSON.parse(page.text) as { data: unknown[] }).data).toHaveLength(PAGE_MAX)
  const bytes = Buffer.byteLength(page.text)
  expect(bytes).toBeGreaterThan(3_200_000)
  expect(bytes).toBeLessThan(3_400_000)
})

test('a page of attempts is below the bound of all pages', async () => {
  const attempt: Attempt = {
    appId: newId('app'),
    id: newId('atmpt'),
    msgId: newId('msg'),
    endpointId: newId('ep'),
    url: `https://example.com/?${'\\'.repeat(8_171)}`,
    at: 0,
    number: 1,
    trigger: 'scheduled',
    outcome: 'failed_attempt',
    statusCode: 307,
    error: COSTLY.repeat(450),
    durationMs: 1,
    response: COSTLY.repeat(DESTINATION_LIMITS.responseBytesKept),
  }
  expect(attempt.url).toHaveLength(8_192)
  const given = { target_url: attempt.url, secret: 'my-secret' }
  expect((await gateway.send('/subscriptions', { method: 'POST', json: given })).status).toBe(201)
  const longer = { ...given, target_url: `${attempt.url}x` }
  expect((await gateway.send('/subscriptions', { method: 'POST', json: longer })).status).toBe(422)
  expect(250 * Buffer.byteLength(JSON.stringify(toAttempt(attempt)))).toBeLessThan(PAGE_BYTES_MAX)
  expect((await gateway.send('/subscriptions/svix/attempts?limit=251')).status).toBe(422)
})

test('the deliveries of a message are cut before they are too large, and how many were left out is told', async () => {
  using directory = temporaryDirectory()
  const { url, id, ids } = await seeded(join(directory.path, 'hookferry.db'), 2_100)
  await using large = await startGateway({}, directory.path)

  const message = await large.message(id)
  const shown = message.deliveries.map((delivery) => delivery.subscription_id)
  expect(shown).toEqual(ids.slice(0, shown.length))
  expect(message).toMatchObject({ status: 'queued', deliveries_left_out: ids.length - shown.length })
  expect(shown.length).toBeLessThan(ids.length)
  expect(shown.length * url.length).toBeGreaterThan(0.9 * PAGE_BYTES_MAX)
  expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThan(1.1 * PAGE_BYTES_MAX)
})

/** A file with one message that is to go to `count` endpoints with the longest URLs, years from now. */
async function seeded(path: string, count: number) {
  await using store = await openSqliteStore({ path })
  const url = `https://example.com/${'x'.repeat(8_172)}`
  expect(url).toHaveLength(8_192)
  const ids = await Promise.all(Array.from({ length: count }, () => createEndpoint(store, { url })))
  const accepted = acceptance(ids)
  await store.accept([accepted])
  return { url, id: accepted.message.id, ids: ids.toSorted() }
}
