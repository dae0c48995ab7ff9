import { createSecretKey } from 'node:crypto'
import { parseSecretCached, type SigningKey } from '../domain/secret.ts'
import { verifyHub } from '../domain/signature.ts'
import type { Scheme } from './scheme.ts'

/** `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`, as GitHub and Meta sign. */
export const hubSignature: Scheme = {
  name: 'hub-signature',
  verify(request, secrets) {
    const header = request.header('x-hub-signature-256')
    return header !== undefined && verifyHub(secrets.map(hmacKeyOf), header, request.body)
  },
}

/** A `whsk_` secret signs deliveries with Ed25519; for HMAC it is what any other text is, its UTF-8 bytes. */
function hmacKeyOf(secret: string): SigningKey {
  const key = parseSecretCached(secret)
  return key.kind === 'hmac' ? key : { kind: 'hmac', key: createSecretKey(secret, 'utf8') }
}
