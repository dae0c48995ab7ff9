import { createSecretKey } from 'node:crypto'
import { equalsConstantTime, hmacHex } from '../domain/signature.ts'
import type { Scheme } from './scheme.ts'

/** `X-Signature: <hex HMAC-SHA256 of the body>`, the hex in either case. The key is the secret's UTF-8 bytes. */
export const inboxHmac: Scheme = {
  name: 'inbox-hmac',
  verify(request, secrets) {
    const header = request.header('x-signature')
    if (header === undefined || !/^[0-9a-f]{64}$/i.test(header)) return false
    const given = header.toLowerCase()
    return secrets.some((secret) => equalsConstantTime(hmacHex(keyOf(secret), request.body), given))
  },
}

const keys = new Map<string, ReturnType<typeof createSecretKey>>()

/** There are as many keys as configured secrets: a handful. */
function keyOf(secret: string) {
  let key = keys.get(secret)
  if (key === undefined) keys.set(secret, (key = createSecretKey(secret, 'utf8')))
  return key
}
