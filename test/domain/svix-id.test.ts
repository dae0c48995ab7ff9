import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { svixAppProblem, svixEventId } from '../../src/domain/svix-id.ts'

/** https://api.svix.com/docs, MessageIn: what an event id may be, and that it may not look like Svix's own. */
const ACCEPTED = /^(?!msg_)[a-zA-Z0-9\-_.]{1,256}$/

/** What an id stands for, where that can be told. */
function identityOf(id: string): string | null {
  if (id.startsWith('b64.')) return Buffer.from(id.slice('b64.'.length), 'base64url').toString('utf8')
  return id.startsWith('sha256.') ? null : id
}

const base64 = (text: string) => `b64.${Buffer.from(text).toString('base64url')}`

/** Identities that are likely to be mistaken for each other, and any others. */
const identity = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.string({ unit: fc.constantFrom('a', 'b', 'M', '_', '-', '.'), minLength: 1, maxLength: 300 }),
  fc
    .tuple(
      fc.constantFrom('', 'b64.', 'sha256.', 'msg_', '.', 'MSG_', '["', 'b64.b64.'),
      fc.base64String(),
      fc.nat(300),
    )
    .map(([prefix, text, length]) => `${prefix}${text}${'x'.repeat(length)}`),
)

test.each([
  ['evt_1', 'evt_1'],
  ['a', 'a'],
  ['user.created-2026_01', 'user.created-2026_01'],
  ['...', '...'],
  ['x'.repeat(256), 'x'.repeat(256)],
  ['Msg_1', 'Msg_1'],
  ['msg', 'msg'],
  ['msg_1', base64('msg_1')],
  ['.', base64('.')],
  ['..', base64('..')],
  ['', base64('')],
  ['gid://shopify/Order/1', base64('gid://shopify/Order/1')],
  ['["/source","id"]', base64('["/source","id"]')],
  ['ümläut', base64('ümläut')],
  ['a\n', base64('a\n')],
  ['b64.YQ', base64('b64.YQ')],
  ['sha256.x', base64('sha256.x')],
  ['/'.repeat(189), base64('/'.repeat(189))],
  ['/'.repeat(190), `sha256.${createHash('sha256').update('/'.repeat(190)).digest('base64url')}`],
  ['x'.repeat(257), `sha256.${createHash('sha256').update('x'.repeat(257)).digest('base64url')}`],
])('%s is known to Svix as %s', (given, id) => {
  expect(svixEventId(given)).toBe(id)
})

test('an event id is always one that Svix takes, and no step of a path', () => {
  fc.assert(
    fc.property(identity, (given) => {
      const id = svixEventId(given)
      expect(id).toMatch(ACCEPTED)
      expect(new URL(`https://svix.example/api/v1/app/a/msg/${id}`).pathname).toBe(`/api/v1/app/a/msg/${id}`)
    }),
    { numRuns: 2_000 },
  )
})

test('an event id can be turned back into the identity unless it is a hash, and a hash is for long ones only', () => {
  fc.assert(
    fc.property(identity, (given) => {
      const isLong = base64(given).length > 256
      const isPlain = svixEventId(given) === given
      expect(identityOf(svixEventId(given))).toBe(isLong && !isPlain ? null : given)
    }),
    { numRuns: 2_000 },
  )
})

test('two identities never share an event id, also when one looks like the other one encoded', () => {
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      const ids = [one, other, svixEventId(one), svixEventId(svixEventId(one)), `${one}.`, one.slice(0, -1)]
      const identities = new Set(ids)
      expect(new Set([...identities].map(svixEventId)).size).toBe(identities.size)
    }),
    { numRuns: 2_000 },
  )
})

describe('an application', () => {
  test.each(['app_2p1dTq0vAc3m5n7R9sXyZbCdEfG', 'acme', 'a.b-c_d', '...', 'x'.repeat(256)])('can be %s', (text) => {
    expect(svixAppProblem(text)).toBeNull()
  })

  test.each(['', '.', '..', 'a/b', 'a b', 'a\n', 'ä', '%2e', 'a?b', 'x'.repeat(257)])('cannot be "%s"', (text) => {
    expect(svixAppProblem(text)).toMatch(/^is not a Svix application id or uid/)
  })
})
