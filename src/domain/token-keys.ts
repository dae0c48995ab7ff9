/** Keys that sign and verify the tokens of the Svix API: one algorithm, and its secret or pair of keys. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

const HASHED = ['HS256', 'HS384', 'HS512'] as const
const PAIRED = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const
/** Algorithms of RFC 7518, 3.1 and RFC 8037, 3.1. */
export const TOKEN_ALGORITHMS = [...HASHED, ...PAIRED] as const
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number]

export interface TokenKeys {
  algorithm: TokenAlgorithm
  /** The key that signs; null when there is a public key only, so that tokens come from elsewhere. */
  sign: KeyObject | Uint8Array | null
  verify: KeyObject | Uint8Array
}

/** Key sizes of RFC 7518, 3.3 and 3.5. */
const RSA_BITS_MIN = 2_048
const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----/

const needsPair = (algorithm: TokenAlgorithm): boolean => !HASHED.some((one) => one === algorithm)

/**
 * The keys that `secret` stands for: its UTF-8 bytes for an HMAC, or a private or public key in PEM, whose line breaks
 * may be written as `\n`. The problem is a sentence without any of the secret.
 */
export function tokenKeys(algorithm: TokenAlgorithm, secret: string): { keys: TokenKeys } | { problem: string } {
  const isPem = PEM.test(secret)
  if (!needsPair(algorithm)) {
    // A public key is no secret: anyone who knows it could sign with it.
    if (isPem) return { problem: `is a key in PEM, and JWT_ALGORITHM is ${algorithm}: set the algorithm of the key` }
    const key = Buffer.from(secret, 'utf8')
    return { keys: { algorithm, sign: key, verify: key } }
  }
  const wanted = `JWT_ALGORITHM is ${algorithm}, so that it has to be a private or public key in PEM`
  if (!isPem) return { problem: wanted }
  const pem = secret.replaceAll('\\n', '\n')
  try {
    const isPublic = PEM.exec(pem)![1]!.includes('PUBLIC')
    const sign = isPublic ? null : createPrivateKey(pem)
    const verify = createPublicKey(pem)
    const problem = kindProblem(algorithm, verify)
    return problem === null ? { keys: { algorithm, sign, verify } } : { problem }
  } catch {
    return { problem: `${wanted} without a passphrase, and this one cannot be read` }
  }
}

function kindProblem(algorithm: TokenAlgorithm, key: KeyObject): string | null {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key
  if (algorithm === 'EdDSA') return type === 'ed25519' ? null : 'is no Ed25519 key, which EdDSA needs'
  if (algorithm.startsWith('ES'))
    return type === 'ec' && details.namedCurve === CURVES[algorithm]
      ? null
      : `is no key on the curve ${CURVES[algorithm]}, which ${algorithm} needs`
  return type === 'rsa' && (details.modulusLength ?? 0) >= RSA_BITS_MIN
    ? null
    : `is no RSA key of at least ${RSA_BITS_MIN} bits, which ${algorithm} needs`
}

/**
 * Says why `secret` cannot be used with `algorithm`; null when it can. An empty secret is valid for HMACs: the gateway
 * makes one.
 */
export function tokenSecretProblem(algorithm: unknown, secret: unknown): string | null {
  const known = TOKEN_ALGORITHMS.find((one) => one === algorithm)
  // The problem of these is reported already.
  if (known === undefined || typeof secret !== 'string') return null
  if (secret === '') return needsPair(known) ? `is needed with JWT_ALGORITHM ${known}: a key in PEM` : null
  const read = tokenKeys(known, secret)
  return 'problem' in read ? read.problem : null
}
