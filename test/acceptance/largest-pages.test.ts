/** Pages whose size is bounded by what their rows may hold: the largest ones. */
import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import { afterAll, expect, test } from 'vitest'
import type { Attempt } from '../../src/domain/attempt.ts'
import { toAttempt } from '../../src/http/delivery-schemas.ts'
import { PAGE_BYTES_MAX } from '../../src/http/page-bytes.ts'
import { newId } from '../conformance/builders.ts'
import { startGateway } from './gateway.ts'
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
