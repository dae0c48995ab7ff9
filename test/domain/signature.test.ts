import { createHmac, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseSecret } from '../../src/domain/secret.ts'
import type { SigningKey } from '../../src/domain/secret.ts'
import {
  equalsConstantTime,
  hmacHex,
  SIGNATURES_MAX,
  signHub,
  signStandard,
  verifyHub,
  verifyStandard,
} from '../../src/domain/signature.ts'

interface Signed {
  name: string
  secret: string
  bodyBase64: string
  signature: string
}

interface Vectors {
  sign: (Signed & { id: string; timestamp: number; publicKey?: string })[]
  hub: Signed[]
  verify: {
    name: string
    valid: boolean
    secrets: string[]
    id: string | null
    timestamp: string | null
    signature: string | null
    bodyBase64: string
    nowMs: number
    toleranceMs: number
  }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../vectors/standard-webhooks.json', import.meta.url), 'utf8'))
const bytes = (base64: string) => Buffer.from(base64, 'base64')

function hmac(secret: string): Extract<SigningKey, { kind: 'hmac' }> {
  const key = parseSecret(secret)
  if (key.kind !== 'hmac') throw new Error('expected an HMAC key')
  return key
}

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const PRIVATE = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const SECONDS = 1_614_265_330
const BODY = Buffer.from('{"test": 2432232314}')

test.each(vectors.sign)('signs the vector: $name', ({ secret, id, timestamp, bodyBase64, signature }) => {
  expect(signStandard(parseSecret(secret), id, timestamp, bytes(bodyBase64))).toBe(signature)
})

test.each(vectors.sign)('verifies the vector: $name', ({ secret, id, timestamp, bodyBase64, signature }) => {
  const request = { keys: [parseSecret(secret)], id, timestamp: String(timestamp), signature, body: bytes(bodyBase64) }
  expect(verifyStandard({ ...request, now: timestamp * 1_000, toleranceMs: 300_000 })).toBe(true)
})

test.each(vectors.verify)('receives: $name → $valid', (vector) => {
  const request = {
    keys: vector.secrets.map(parseSecret),
    id: vector.id ?? undefined,
    timestamp: vector.timestamp ?? undefined,
    signature: vector.signature ?? undefined,
    body: bytes(vector.bodyBase64),
    now: vector.nowMs,
    toleranceMs: vector.toleranceMs,
  }
  expect(verifyStandard(request)).toBe(vector.valid)
})

test.each(vectors.hub)('signs and verifies X-Hub-Signature-256: $name', ({ secret, bodyBase64, signature }) => {
  const key = hmac(secret)
  const body = bytes(bodyBase64)
  expect(signHub(key, body)).toBe(signature)
  expect(hmacHex(key.key, body)).toBe(signature.slice('sha256='.length))
  expect(verifyHub([key], signature, body)).toBe(true)
  expect(verifyHub([key], `sha256=${signature.slice(7).toUpperCase()}`, body)).toBe(true)
  expect(verifyHub([key], signature, Buffer.concat([body, Buffer.of(0)]))).toBe(false)
})

test('what is signed is the bytes, whatever they are, and any other byte breaks it', () => {
  const key = hmac(SECRET)
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1 }),
      fc.nat({ max: 2 ** 40 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (body, ts, at, flip) => {
        const content = Buffer.concat([Buffer.from(`${ID}.${ts}.`), body])
        const signature = signStandard(key, ID, ts, body)
        expect(signature).toBe(`v1,${createHmac('sha256', key.key).update(content).digest('base64')}`)
        const request = { keys: [key], id: ID, timestamp: String(ts), signature, now: ts * 1_000, toleranceMs: 0 }
        expect(verifyStandard({ ...request, body })).toBe(true)
        const changed = Uint8Array.from(body)
        changed[at % body.length] = (body[at % body.length] ?? 0) ^ flip
        expect(verifyStandard({ ...request, body: changed })).toBe(false)
      },
    ),
  )
})

test('an ed25519 signature verifies with the public key alone', () => {
  const key = parseSecret(PRIVATE)
  if (key.kind !== 'ed25519') throw new Error('expected an ed25519 key')
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    bytes(key.publicKey.slice('whpk_'.length)),
  ])
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  fc.assert(
    fc.property(fc.uint8Array(), (body) => {
      const [version, base64 = ''] = signStandard(key, ID, SECONDS, body).split(',')
      expect(version).toBe('v1a')
      expect(verify(null, Buffer.concat([Buffer.from(`${ID}.${SECONDS}.`), body]), publicKey, bytes(base64))).toBe(true)
    }),
    { numRuns: 20 },
  )
})

test.each([
  ['an empty id', '', SECONDS],
  ['an id with a dot', 'msg.1', SECONDS],
  ['a fraction of a second', ID, 1.5],
  ['a time before 1970', ID, -1],
  ['no number', ID, NaN],
  ['a time without end', ID, Infinity],
  ['a number that is written with an exponent', ID, 1e21],
])('%s cannot be signed', (_, id, seconds) => {
  expect(() => signStandard(parseSecret(SECRET), id, seconds, BODY)).toThrow(RangeError)
})

test('a thousand signatures are refused, although a valid one is among them', () => {
  const valid = signStandard(parseSecret(SECRET), ID, SECONDS, BODY)
  const request = { keys: [parseSecret(SECRET)], id: ID, timestamp: String(SECONDS), body: BODY, now: SECONDS * 1_000 }
  const list = (n: number) => Array.from({ length: n }, () => valid).join(' ')
  expect(verifyStandard({ ...request, signature: list(1_000), toleranceMs: 0 })).toBe(false)
  expect(verifyStandard({ ...request, signature: list(SIGNATURES_MAX), toleranceMs: 0 })).toBe(true)
})

test('a clock that is no number accepts nothing', () => {
  const signature = signStandard(parseSecret(SECRET), ID, SECONDS, BODY)
  const request = { keys: [parseSecret(SECRET)], id: ID, timestamp: String(SECONDS), signature, body: BODY }
  expect(verifyStandard({ ...request, now: NaN, toleranceMs: 300_000 })).toBe(false)
  expect(verifyStandard({ ...request, now: SECONDS * 1_000, toleranceMs: NaN })).toBe(false)
})

test('any of several hub secrets may match, wherever it stands', () => {
  const keys = ['first', 'second', 'third'].map(hmac)
  for (const key of keys) expect(verifyHub(keys, signHub(key, BODY), BODY)).toBe(true)
  expect(verifyHub(keys, signHub(hmac('fourth'), BODY), BODY)).toBe(false)
  expect(verifyHub([], signHub(hmac('first'), BODY), BODY)).toBe(false)
})

test('an ed25519 key verifies no hub signature, and does not keep others from it', () => {
  const header = signHub(hmac('mysecret'), BODY)
  expect(verifyHub([parseSecret(PRIVATE)], header, BODY)).toBe(false)
  expect(verifyHub([parseSecret(PRIVATE), hmac('mysecret')], header, BODY)).toBe(true)
})

const HEX = hmacHex(hmac('mysecret').key, BODY)
test.each([
  ['missing', undefined],
  ['empty', ''],
  ['the scheme alone', 'sha256='],
  ['hex without the scheme', HEX],
  ['the old scheme', `sha1=${HEX}`],
  ['the scheme in capitals', `SHA256=${HEX}`],
  ['cut', `sha256=${HEX.slice(0, 8)}`],
  ['one digit short', `sha256=${HEX.slice(1)}`],
  ['one digit long', `sha256=${HEX}0`],
  ['junk after it', `sha256=${HEX}zz`],
  ['a line end after it', `sha256=${HEX}\n`],
  ['a space before it', ` sha256=${HEX}`],
  ['a space within', `sha256= ${HEX}`],
  ['repeated and joined', `sha256=${HEX}, sha256=${HEX}`],
  ['base64', `sha256=${Buffer.from(HEX, 'hex').toString('base64')}`],
  ['another value', `sha256=${'0'.repeat(64)}`],
])('a hub signature that is %s is refused', (_, header) => {
  expect(verifyHub([hmac('mysecret')], header, BODY)).toBe(false)
})

test('the constant-time comparison is equality', () => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)), maxLength: 4 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(equalsConstantTime(a, b)).toBe(a === b)
      expect(equalsConstantTime(a, a)).toBe(true)
    }),
  )
})

test.each([
  ['', '', true],
  ['', 'a', false],
  ['a', 'A', false],
  ['a', 'a\0', false],
  ['a'.repeat(1_000), 'a'.repeat(999), false],
  ['\u00e9', 'e\u0301', false],
  ['\ud800', '\udfff', false],
])('comparing %j with %j is %s', (a, b, same) => {
  expect(equalsConstantTime(a, b)).toBe(same)
})
