import { describe, expect, test } from 'vitest'
import { HASH_WINDOW_MS, reader, sourceEventType } from '../../src/sources/said.ts'
import { sourceRequest } from './requests.ts'

const GITHUB = { dedupe: ['{header:X-GitHub-Delivery}', 'hash'], eventType: '{header:X-GitHub-Event}.{body:/action}' }
const read = reader({ ...GITHUB, prefix: 'github' })

describe('the event type', () => {
  test.each([
    [{ headers: { 'X-GitHub-Event': 'issues' }, body: '{"action":"opened"}' }, 'github.issues.opened'],
    [{ headers: { 'X-GitHub-Event': 'push' }, body: '{}' }, 'github.push'],
    [{ headers: {}, body: '{"action":"opened"}' }, 'github.opened'],
    [{ headers: {}, body: 'no JSON' }, 'github.webhook'],
    [{ headers: { 'X-GitHub-Event': 'push' }, body: '{"action":{"a":1}}' }, 'github.push'],
  ])('of %j is %s', (given, expected) => {
    expect(read(sourceRequest(given)).eventType).toBe(expected)
  })

  test.each([
    ['shopify', 'orders/create', 'shopify.orders.create'],
    ['jira', 'jira:issue_created', 'jira.issue_created'],
    ['gitlab', 'Push Hook', 'gitlab.Push.Hook'],
    ['box', 'FILE.UPLOADED', 'box.FILE.UPLOADED'],
    ['a', 'a,b*', 'a.a-b'],
    ['a', '…', 'a.webhook'],
    ['a', null, 'a.webhook'],
    ['a', 'x'.repeat(300), `a.${'x'.repeat(254)}`],
  ])('of %s and %j is %s', (prefix, type, expected) => {
    expect(sourceEventType(prefix, type)).toBe(expected)
  })

  test('can be a parameter or a field of a form', () => {
    const other = { dedupe: [], prefix: 'p' }
    const query = reader({ ...other, eventType: '{query:event}' })(sourceRequest({ query: 'event=a%20b&event=c' }))
    const form = reader({ ...other, eventType: '{form:name}' })(sourceRequest({ body: 'x=1&name=sale' }))
    expect([query.eventType, form.eventType]).toEqual(['p.a.b', 'p.sale'])
  })
})

describe('what makes a repeat the same', () => {
  test("is the provider's id, for as long as the message is kept", () => {
    const { repeat } = read(sourceRequest({ headers: { 'x-github-delivery': '72d3' } }))
    expect(repeat).toEqual({ key: '72d3', windowMs: null })
  })

  test('is the hash of method, query and body where there is no id, for fifteen minutes', () => {
    const given = { method: 'POST', query: 'a=1', body: 'b' }
    const { repeat } = read(sourceRequest(given))
    expect(repeat).toEqual(read(sourceRequest(given)).repeat)
    expect(repeat?.windowMs).toBe(HASH_WINDOW_MS)
    for (const other of [{ method: 'PUT' }, { query: 'a=2' }, { body: 'c' }])
      expect(read(sourceRequest({ ...given, ...other })).repeat?.key).not.toBe(repeat?.key)
  })

  test('is nothing where nothing is asked for', () => {
    expect(reader({ dedupe: [], eventType: '', prefix: 'p' })(sourceRequest({})).repeat).toBeNull()
  })

  test('has 256 characters at most', () => {
    const { repeat } = read(sourceRequest({ headers: { 'x-github-delivery': 'x'.repeat(10_000) } }))
    expect(repeat?.key).toMatch(/^sha256:/)
  })
})
