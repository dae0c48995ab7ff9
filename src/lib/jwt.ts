/** Signed tokens (RFC 7515, RFC 7519). One algorithm is accepted, whatever a token says about itself. */
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'

export type Claims = JWTPayload

type Key = Parameters<SignJWT['sign']>[0]

/** `sign` is null when only the public key is known: tokens are verified and not made. */
export interface SigningKeys {
  algorithm: string
  sign: Key | null
  verify: Key
}

export interface Tokens {
  canSign: boolean
  /** `expiresAt` in ms. Everyone who holds the token can read its claims, so no secret belongs into them. */
  sign(claims: Claims, expiresAt: number): Promise<string>
  /** The claims with issuer, time of issue and time of expiry: the full content of a token made now. */
  dated(claims: Claims, expiresAt: number): Claims
  /**
   * The token with exactly these claims. Equal claims give an equal token, unless the algorithm is one of PS… and ES….
   */
  signDated(claims: Claims): Promise<string>
  /** The claims; null when the token is malformed, has another signature, is not valid yet, or has expired. */
  verify(token: string): Claims | Promise<Claims | null>
}

/** Verified tokens that are remembered: clients send the same token with every request. */
const REMEMBERED_MAX = 10_000
const REMEMBERED_CHARS_MAX = 16 * 1_048_576
const TOKEN_CHARS_MAX = 8_192
/** Tolerated difference between clocks. */
const TOLERANCE_S = 60

/** The keys of HS256: the UTF-8 bytes of a secret. */
export function hs256(secret: string): SigningKeys {
  const key = new TextEncoder().encode(secret)
  return { algorithm: 'HS256', sign: key, verify: key }
}

export function createTokens({ algorithm, sign, verify }: SigningKeys, clock: { now(): number }): Tokens {
  const verified = new LRUCache<string, Claims>({
    max: REMEMBERED_MAX,
    maxSize: REMEMBERED_CHARS_MAX,
    // The claims are about as long as their token.
    sizeCalculation: (_claims, token) => 2 * token.length,
  })
  const seconds = () => Math.floor(clock.now() / 1_000)

  const isOver = ({ exp }: Claims) => exp !== undefined && exp + TOLERANCE_S <= seconds()

  async function verifyAnew(token: string): Promise<Claims | null> {
    if (token.length > TOKEN_CHARS_MAX) return null
    try {
      const { payload } = await jwtVerify(token, verify, {
        algorithms: [algorithm],
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
  async function signDated(claims: Claims): Promise<string> {
    if (sign === null) throw new Error('JWT_SECRET is a public key: tokens can be verified with it, and not made')
    return new SignJWT(claims).setProtectedHeader({ alg: algorithm, typ: 'JWT' }).sign(sign)
  }

  return {
    canSign: sign !== null,
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
