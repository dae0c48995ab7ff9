import { expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { cloudEventKey, keySaid, typeSaid } from '../../src/domain/sender-headers.ts'

const of = (headers: Record<string, string>) => (name: string) => headers[name]

test.each([
  ['X-GitHub-Event', 'pull_request'],
  ['X-Gitea-Event', 'push'],
  ['X-Gogs-Event', 'push'],
  ['X-Gitlab-Event', 'Push Hook'],
  ['X-Event-Key', 'repo:push'],
  ['X-Shopify-Topic', 'orders/create'],
  ['X-WC-Webhook-Topic', 'order.created'],
  ['Linear-Event', 'Issue'],
  ['ce-type', 'com.example/invoice.paid'],
])('%s says the type', (name, value) => {
  expect(typeSaid(of({ [name.toLowerCase()]: value }))).toEqual({ name, value })
})

test("a provider's header goes before ce-type, and an empty one says nothing", () => {
  expect(typeSaid(of({ 'ce-type': 'a', 'x-github-event': 'push' }))?.value).toBe('push')
  expect(typeSaid(of({ 'ce-type': 'a', 'x-github-event': '' }))?.value).toBe('a')
  expect(typeSaid(of({ 'x-github-event': '' }))).toBeNull()
  expect(typeSaid(of({ 'ce-type': 'a%20b' }))?.value).toBe('a b')
})

test('a key is the first of those that are there', () => {
  const headers = {
    'idempotency-key': '1',
    'x-github-delivery': '2',
    'webhook-id': '3',
    'svix-id': '4',
    'x-shopify-webhook-id': '5',
    'ce-source': '/s',
    'ce-id': '6',
  }
  const names = ['Idempotency-Key', 'X-GitHub-Delivery', 'webhook-id', 'svix-id', 'X-Shopify-Webhook-Id', 'ce-id']
  const left: Record<string, string> = { ...headers }
  for (const name of names) {
    expect(keySaid(of(left))?.name).toBe(name)
    delete left[name.toLowerCase()]
  }
  expect(keySaid(of(left))).toBeNull()
})

test.each(['x-gitlab-event-uuid', 'x-wc-webhook-delivery-id', 'x-request-id', 'ce-id'])(
  '%s alone is no key: events that differ may share it',
  (name) => {
    expect(keySaid(of({ [name]: 'x' }))).toBeNull()
  },
)

test('a CloudEvent is known by its source and id, however long they are, and however they are encoded', () => {
  expect(keySaid(of({ 'ce-source': '/%C3%BC', 'ce-id': 'a' }))?.value).toBe('["/ü","a"]')
  expect(keySaid(of({ 'ce-source': Buffer.from('/ü').toString('latin1'), 'ce-id': 'a' }))?.value).toBe('["/ü","a"]')
  expect(cloudEventKey('a', 'b","c')).not.toBe(cloudEventKey('a","b', 'c'))
  const long = 'x'.repeat(2_000)
  expect(cloudEventKey(long, '1').length).toBeLessThanOrEqual(LIMITS.idempotencyKeyCharsMax)
  expect(new Set([cloudEventKey(long, '1'), cloudEventKey(long, '2'), cloudEventKey(`${long}1`, '')]).size).toBe(3)
})
