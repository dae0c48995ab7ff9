import { createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'

const SECRET = 'a secret of this test, long enough'
const NOW = Date.UTC(2035, 0, 1)
const MINUTE = 60_000
/** What clocks may differ by. */
const TOLERANCE = MINUTE

const base64 = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const seconds = (ms: number) => Math.floor(ms / 1_000)

/** A token made by hand, signed or not. */
function handmade(
  claims: unknown,
  {
    header = { alg: 'HS256', typ: 'JWT' },
    hash = 'sha256',
    secret = SECRET,
  }: { header?: object; hash?: string; secret?: string } = {},
): string {
  const signed = `${base64(header)}.${base64(claims)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

function tokensAt(start = NOW) {
  const clock = { time: start, now: () => clock.time }
  return { clock, tokens: createTokens(hs256(SECRET), clock) }
}

const claims = { sub: 'org_acme' }

test('a token that was signed here is understood, with all that it claims', async () => {
  const { tokens } = tokensAt()
  const token = await tokens.sign({ ...claims, feature_flags: ['a'] }, NOW + MINUTE)
  expect(await tokens.verify(token)).toMatchObject({
    sub: 'org_acme',
    feature_flags: ['a'],
    iat: seconds(NOW),
    exp: seconds(NOW + MINUTE),
  })
  expect(await createTokens(hs256(SECRET), { now: () => NOW }).verify(token)).toMatchObject(claims)
})

test('a token made by the rules alone is understood, as other programs make them', async () => {
  const { tokens } = tokensAt()
  expect(await tokens.verify(handmade(claims))).toEqual(claims)
  expect(await tokens.verify(handmade({ ...claims, iss: 'svix-server' }, { header: { alg: 'HS256' } }))).toMatchObject(
    claims,
  )
})

describe('refused is a token', () => {
  test.each([
    ['without a signature that says so', `${base64({ alg: 'none' })}.${base64(claims)}.`],
    ['without a signature that hides it', `${base64({ alg: 'None' })}.${base64(claims)}.`],
    ['whose signature was taken away', `${handmade(claims).split('.').slice(0, 2).join('.')}.`],
    ['of two parts', handmade(claims).split('.').slice(0, 2).join('.')],
    ['that says none and is signed all the same', handmade(claims, { header: { alg: 'none' } })],
    ['of another algorithm of the same family', handmade(claims, { header: { alg: 'HS512' }, hash: 'sha512' })],
    ['that says another algorithm than was used', handmade(claims, { header: { alg: 'HS384' } })],
    ['of a public-key algorithm, signed with the key as text', handmade(claims, { header: { alg: 'RS256' } })],
    ['without an algorithm', handmade(claims, { header: { typ: 'JWT' } })],
    ['with a critical extension that nobody knows', handmade(claims, { header: { alg: 'HS256', crit: ['x'], x: 1 } })],
    ['of another secret', handmade(claims, { secret: `${SECRET}.` })],
    ['of the secret decoded', handmade(claims, { secret: Buffer.from(SECRET, 'base64').toString('latin1') })],
    ['whose claims are no object', handmade('"text"')],
    ['whose claims are a list', handmade([])],
    ['whose claims are no JSON', handmade('{')],
    ['that expires at no number', handmade({ ...claims, exp: 'tomorrow' })],
    ['that is valid from no number', handmade({ ...claims, nbf: 'yesterday' })],
    ['that is nothing', ''],
    ['that is the secret', SECRET],
    ['of dots', '..'],
    ['that is too long', handmade({ ...claims, more: 'x'.repeat(9_000) })],
  ])('%s', async (_, token) => {
    expect(await tokensAt().tokens.verify(token)).toBeNull()
  })

  test('that was changed anywhere', async () => {
    const { tokens } = tokensAt()
    const token = await tokens.sign(claims, NOW + MINUTE)
    expect(await tokens.verify(token)).not.toBeNull()
    const place = fc.nat({ max: token.length - 1 })
    const character = fc.constantFrom(
      ...Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= '),
    )
    await fc.assert(
      fc.asyncProperty(place, character, async (at, other) => {
        const changed = token.slice(0, at) + other + token.slice(at + 1)
        // The last character of 32 bytes in base64url carries two bits that mean nothing.
        const isSame = Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(
          Buffer.from(token.split('.')[2]!, 'base64url'),
        )
        fc.pre(changed !== token && !(isSame && at === token.length - 1))
        expect(await tokens.verify(changed)).toBeNull()
      }),
      { numRuns: 500 },
    )
  })
})

describe('time', () => {
  test('a token ends when it says, by the clock that was passed in, give or take a minute', async () => {
    const { clock, tokens } = tokensAt()
    const token = handmade({ ...claims, exp: seconds(NOW + 10 * MINUTE) })
    for (const [after, isValid] of [
      [0, true],
      [10 * MINUTE + TOLERANCE - 1_000, true],
      [10 * MINUTE + TOLERANCE, false],
      [99 * MINUTE, false],
    ] as const) {
      clock.time = NOW + after
      // One that never saw the token, and one that remembers it.
      expect((await tokensAt(clock.time).tokens.verify(token)) !== null).toBe(isValid)
      expect((await tokens.verify(token)) !== null).toBe(isValid)
    }
  })

  test('a token that was valid and is remembered ends at the same moment as one that is new', async () => {
    const { clock, tokens } = tokensAt()
    const token = await tokens.sign(claims, NOW + MINUTE)
    for (let step = 0; step < 200; step++) {
      clock.time = NOW + step * 1_000
      const fresh = await tokensAt(clock.time).tokens.verify(token)
      expect((await tokens.verify(token)) === null).toBe(fresh === null)
    }
    expect(await tokens.verify(token)).toBeNull()
  })

  test('a token does not begin before it says, give or take a minute', async () => {
    const { clock, tokens } = tokensAt()
    const token = handmade({ ...claims, nbf: seconds(NOW + 10 * MINUTE) })
    expect(await tokens.verify(token)).toBeNull()
    clock.time = NOW + 10 * MINUTE - TOLERANCE - 1_000
    expect(await tokens.verify(token)).toBeNull()
    clock.time = NOW + 10 * MINUTE - TOLERANCE
    expect(await tokens.verify(token)).not.toBeNull()
  })

  test('a token without an end has none', async () => {
    const { clock, tokens } = tokensAt()
    const token = handmade(claims)
    clock.time = NOW + 1e13
    expect(await tokens.verify(token)).toEqual(claims)
  })
})

test('a token that is known costs no promise, and is the same object to whoever asks', async () => {
  const { tokens } = tokensAt()
  const token = handmade(claims)
  const first = await tokens.verify(token)
  expect(tokens.verify(token)).toBe(first)
})

test('what was refused is not remembered as valid', async () => {
  const { tokens } = tokensAt()
  const token = handmade(claims, { secret: 'another secret of this test' })
  for (let again = 0; again < 3; again++) expect(await tokens.verify(token)).toBeNull()
})
