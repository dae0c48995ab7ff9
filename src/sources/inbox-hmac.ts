import { hmacCheck } from './hmac-scheme.ts'

/** `X-Signature: <hex HMAC-SHA256 of the body>`, the hex in either case. The key is the secret's UTF-8 bytes. */
export const inboxHmac = hmacCheck(
  {
    algorithm: 'sha256',
    encoding: 'hex',
    header: 'X-Signature',
    prefix: '',
    list: null,
    repeated: 'refuse',
    content: '{body}',
    unsignedBody: false,
    timestamp: null,
    key: 'utf8',
  },
  null,
)
