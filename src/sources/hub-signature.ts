import { hmacCheck } from './hmac-scheme.ts'

/** `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`, as GitHub and Meta sign. */
export const hubSignature = hmacCheck(
  {
    algorithm: 'sha256',
    encoding: 'hex',
    header: 'X-Hub-Signature-256',
    prefix: 'sha256=',
    list: null,
    repeated: 'refuse',
    content: '{body}',
    unsignedBody: false,
    timestamp: null,
    key: 'secret',
  },
  null,
)
