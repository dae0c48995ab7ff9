import { BODY_HMAC, hmacCheck } from './hmac-scheme.ts'

/** `X-Signature: <hex HMAC-SHA256 of the body>`, the hex in either case. The key is the secret's UTF-8 bytes. */
export const inboxHmac = hmacCheck({ ...BODY_HMAC, header: 'X-Signature' }, null)
