import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  generateSecret,
  parseSecret,
  parseSecretCached,
  secretProblem,
  SECRET_CHARS_MAX,
  SECRETS_CACHED_MAX,
} from '../../src/domain/secret.ts'

const PRIVATE = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
const PUBLIC = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='

function hmacKey(text: string): KeyObject {
  const key = parseSecret(text)
  if (key.kind !== 'hmac') throw new Error('expected an HMAC key')
  return key.key
}

const isKey = (key: KeyObject, bytes: Uint8Array) => key.equals(createSecretKey(bytes))

test('a whsec_ secret is the bytes that it encodes, padded or not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      const base64 = Buffer.from(bytes).toString('base64')
      expect(isKey(hmacKey(`whsec_${base64}`), bytes)).toBe(true)
      expect(isKey(hmacKey(`whsec_${base64.replaceAll('=', '')}`), bytes)).toBe(true)
      expect(secretProblem(`whsec_${base64}`)).toBeNull()
    }),
  )
})

test.each(['mysecret', 'geheim-schlüssel', '🔑', 'two words', 'whsec-AAAA', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '!'])(
  'the plain secret %j is its UTF-8 bytes',
  (text) => {
    expect(isKey(hmacKey(text), Buffer.from(text, 'utf8'))).toBe(true)
    expect(secretProblem(text)).toBeNull()
  },
)

test('a whsk_ secret is an ed25519 pair with its public key', () => {
  const key = parseSecret(PRIVATE)
  expect(key).toMatchObject({ kind: 'ed25519', publicKey: PUBLIC })
  expect(parseSecret(PRIVATE.replaceAll('=', ''))).toMatchObject({ kind: 'ed25519', publicKey: PUBLIC })
  expect(secretProblem(PRIVATE)).toBeNull()
})

test('any ed25519 pair of Node can be a secret', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  const half = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const key = parseSecret(`whsk_${Buffer.concat([seed, half]).toString('base64')}`)
  expect(key.kind === 'ed25519' && key.privateKey.equals(privateKey)).toBe(true)
  expect(key).toMatchObject({ publicKey: `whpk_${half.toString('base64')}` })
})

const halves = Buffer.from(PRIVATE.slice(5), 'base64')
const whsk = (bytes: Uint8Array) => `whsk_${Buffer.from(bytes).toString('base64')}`
const MALFORMED = [
  ['nothing', '', /empty/],
  ['whsec_ alone', 'whsec_', /base64/],
  ['whsec_ and padding alone', 'whsec_==', /base64/],
  ['whsec_ with foreign characters', 'whsec_not*base64', /base64/],
  ['whsec_ with a space', 'whsec_AAAA AAAA', /base64/],
  ['whsec_ with a line end', 'whsec_AAAA\n', /base64/],
  ['whsec_ in the URL alphabet', 'whsec_AA-_', /base64/],
  ['whsec_ of an impossible length', 'whsec_AAAAA', /base64/],
  ['whsec_ with one padding character too many', 'whsec_AAA==', /base64/],
  ['whsec_ with one padding character too few', 'whsec_AA=', /base64/],
  ['whsec_ with padding in the middle', 'whsec_AA==AAAA', /base64/],
  ['whsk_ alone', 'whsk_', /64 bytes/],
  ['whsk_ of the seed alone', whsk(halves.subarray(0, 32)), /64 bytes/],
  ['whsk_ of 63 bytes', whsk(halves.subarray(0, 63)), /64 bytes/],
  ['whsk_ of 65 bytes', whsk(Buffer.concat([halves, Buffer.of(0)])), /64 bytes/],
  ['whsk_ with foreign characters', `${PRIVATE.slice(0, -3)}*==`, /64 bytes/],
  ['whsk_ with another public key', whsk(Buffer.concat([halves.subarray(0, 32), Buffer.alloc(32, 1)])), /match/],
  ['whsk_ with its halves swapped', whsk(Buffer.concat([halves.subarray(32), halves.subarray(0, 32)])), /match/],
  ['a public key', PUBLIC, /public/],
] as const

test.each(MALFORMED)('%s is refused with words, and never becomes another key', (_, text, words) => {
  expect(secretProblem(text)).toMatch(words)
  expect(() => parseSecret(text)).toThrow(RangeError)
  expect(() => parseSecretCached(text)).toThrow(RangeError)
})

test('a refusal never repeats the secret', () => {
  const text = 'whsec_hunter2*hunter2'
  expect(secretProblem(text)).not.toContain('hunter2')
  expect(() => parseSecret(text)).not.toThrow(/hunter2/)
})

test('a secret may have 512 characters and no more', () => {
  expect(SECRET_CHARS_MAX).toBe(512)
  expect(secretProblem('x'.repeat(512))).toBeNull()
  expect(secretProblem('x'.repeat(513))).toMatch(/512/)
})

test('a generated secret is whsec_ and 24 random bytes', () => {
  const asked: number[] = []
  const secret = generateSecret((n) => {
    asked.push(n)
    return new Uint8Array(n).fill(0xfb)
  })
  expect(asked).toEqual([24])
  expect(secret).toBe(`whsec_${'+/v7'.repeat(8)}`)
  expect(secretProblem(generateSecret(randomBytes))).toBeNull()
})

test('a cached key is the same object until many others were added', () => {
  const first = parseSecretCached('cached')
  expect(first).toEqual(parseSecret('cached'))
  expect(parseSecretCached('cached')).toBe(first)
  for (let i = 1; i < SECRETS_CACHED_MAX; i++) parseSecretCached(`other ${i}`)
  expect(parseSecretCached('cached')).toBe(first)
  parseSecretCached('one more')
  parseSecretCached('and another')
  expect(parseSecretCached('cached')).not.toBe(first)
})

const BASE64 = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

test.each([
  `v1,whsec_${BASE64}`,
  `WHSEC_${BASE64}`,
  `Whsk_${BASE64}`,
  `secret: whpk_${BASE64}`,
  `"whsec_${BASE64}"`,
  ` whsec_${BASE64}`,
  `whsec_${BASE64}\n`,
  `'my-secret'`,
  'my-secret\n',
  'my-secret\r\n',
  ' my-secret',
  '\ufeffmy-secret',
  ' ',
])('the secret %j was meant to be another one, and is refused', (text) => {
  expect(secretProblem(text)).toMatch(/white space|quotes|begins with whsec_|base64/)
})

test.each(['my-secret\n', `v1,whsec_${BASE64}`, `"my-secret"`])('%j works on where it is stored already', (text) => {
  expect(isKey(hmacKey(text), Buffer.from(text))).toBe(true)
})
