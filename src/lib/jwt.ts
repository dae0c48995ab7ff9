/** Signed tokens: HS256, the key is the UTF-8 bytes of a secret (RFC 7515, RFC 7519). */
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'

export type Claims = JWTPayload

export interface Tokens {
  /** `expiresAt` in ms; the token says its claims to everybody, so that nothing secret belongs into them. */
  sign(claims: Claims, expiresAt: number): Promise<string>
  /** The claims with issuer, time of issue and of expiry: all that a token of now says. */
  dated(claims: Claims, expiresAt: number): Claims
  /** The token that says just this; of the same claims always the same. */
  signDated(claims: Claims): Promise<string>
  /** The claims; null when the token is malformed, signed otherwise, not valid yet, or not any more. */
  verify(token: string): Claims | Promise<Claims | null>
}

const ALGORITHM = 'HS256'
/** Verified tokens that are remembered: clients send the same one with every request. */
const REMEMBERED_MAX = 10_000
const REMEMBERED_CHARS_MAX = 16 * 1_048_576
const TOKEN_CHARS_MAX = 8_192
/** What clocks may differ by. */
const TOLERANCE_S = 60

export function createTokens(secret: string, clock: { now(): number }): Tokens {
  const key = new TextEncoder().encode(secret)
  const verified = new LRUCache<string, Claims>({
    max: REMEMBERED_MAX,
    maxSize: REMEMBERED_CHARS_MAX,
    // The claims are about as long as the token that says them.
    sizeCalculation: (_claims, token) => 2 * token.length,
  })
  const seconds = () => Math.floor(clock.now() / 1_000)

  const isOver = ({ exp }: Claims) => exp !== undefined && exp + TOLERANCE_S <= seconds()

  async function verifyAnew(token: string): Promise<Claims | null> {
    if (token.length > TOKEN_CHARS_MAX) return null
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(clock.now()),
      })
      verified.set(token, payload)
      return payload
    } catch (error) {
      if (error instanceof errors.JOSEError) return null
      throw error
    }
  }

  const dated = (claims: Claims, expiresAt: number): Claims => ({
    ...claims,
    iss: 'hookferry',
    iat: seconds(),
    exp: Math.floor(expiresAt / 1_000),
  })
  const signDated = (claims: Claims) => new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' }).sign(key)

  return {
    dated,
    signDated,
    sign: (claims, expiresAt) => signDated(dated(claims, expiresAt)),
    verify(token) {
      const known = verified.get(token)
      if (known === undefined) return verifyAnew(token)
      if (!isOver(known)) return known
      verified.delete(token)
      return Promise.resolve(null)
    },
  }
}
