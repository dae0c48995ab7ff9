import { BODY_HMAC, hmacCheck } from './hmac-scheme.ts'

/** `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`, as GitHub and Meta sign. */
export const hubSignature = hmacCheck(
  { ...BODY_HMAC, header: 'X-Hub-Signature-256', prefix: 'sha256=', key: 'secret' },
  null,
)
