import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { ownLack } from '../../src/destinations/own-lack.ts'

const failure = (code: string, more: Record<string, unknown> = {}) => Object.assign(new Error(code), { code, ...more })

describe('an error', () => {
  test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'DNS_BUSY'])('%s is a lack of this node', (code) => {
    expect(ownLack(failure(code))).toMatch(/^the (gateway|machine)/)
  })

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'DNS_NO_ANSWER', 'EACCES', 'constructor', ''])(
    '%s is none',
    (code) => {
      expect(ownLack(failure(code))).toBeNull()
    },
  )

  test('is found among those of several addresses, and behind what it caused', () => {
    const several = new AggregateError([failure('ECONNREFUSED'), failure('EMFILE')])
    expect(ownLack(Object.assign(several, { code: 'ECONNREFUSED' }))).toContain('EMFILE')
    expect(ownLack(new Error('fetch failed', { cause: failure('ENFILE') }))).toContain('ENFILE')
    expect(ownLack(new AggregateError([failure('ECONNREFUSED')]))).toBeNull()
  })

  test('about an address that is not available means a port only with IPv4: a machine without IPv6 has none of its', () => {
    expect(ownLack(failure('EADDRNOTAVAIL', { address: '192.0.2.1' }))).toContain('port')
    expect(ownLack(failure('EADDRNOTAVAIL', { address: '2001:db8::1' }))).toBeNull()
    const both = [failure('ECONNREFUSED'), failure('EADDRNOTAVAIL', { address: '2001:db8::1' })]
    expect(ownLack(Object.assign(new AggregateError(both), { code: 'EADDRNOTAVAIL' }))).toBeNull()
  })

  test('that is its own cause is looked at once', () => {
    const circular = failure('ECONNRESET')
    circular.cause = circular
    expect(ownLack(circular)).toBeNull()
  })

  test.each([null, 'EMFILE', { code: 'EMFILE' }])('that is none says nothing: %j', (error) => {
    expect(ownLack(error)).toBeNull()
  })
})

test('without a file descriptor left, attempts by address, by name and to Svix are put off, and work again later', () => {
  const child = new URL('descriptors-child.ts', import.meta.url).pathname
  // Both limits: Node.js raises the soft one to the hard one.
  const { stdout, stderr } = spawnSync('bash', ['-c', 'ulimit -n 96; exec "$0" "$1"', process.execPath, child], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  expect(stderr).toBe('')
  const put = { kind: 'deferred', reason: 'node_exhausted', error: expect.stringContaining('EMFILE'), waitMs: 1_000 }
  expect(JSON.parse(stdout)).toEqual({
    address: put,
    name: put,
    svix: put,
    afterwards: { kind: 'accepted', statusCode: 200, response: 'ok' },
  })
})
