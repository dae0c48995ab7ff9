/**
 * Settings of inbound traffic: where the gateway listens, who may send, the bounds of connections, and the logs about
 * them.
 */
import { isCompatible } from '../domain/presets.ts'
import { TOKEN_ALGORITHMS } from '../domain/token-keys.ts'
import { Hidden } from '../lib/hidden.ts'
import { publicUrl } from '../lib/service-url.ts'
import { duration, integer, isQuoted, key, list, mapped, oneOf, size, text } from './kinds.ts'
import { secret, setting } from './setting.ts'

const apiKeys = mapped(
  list((keys) => [
    ...(keys.some((one) => one.length < 8) ? ['has a key of fewer than 8 characters'] : []),
    ...(keys.some(isQuoted) ? ['has a key in quotes, which would be a part of it: leave them out'] : []),
  ]),
  (keys): readonly Hidden[] => keys.map((one) => new Hidden(one)),
)

/** Null when the variable is not set. */
const websiteUrl = mapped(
  text((url) =>
    publicUrl(url) === null
      ? `"${url}" is not a URL such as https://hooks.example.com, with nothing but a path behind the host`
      : null,
  ),
  publicUrl,
)

const presetProblem = (name: string) => (isCompatible(name) ? null : 'is not svix, the only program with a preset')

export const ACCESS = {
  host: setting('HOST', text(), {
    means: 'address to listen on',
    default: '`127.0.0.1`, or `0.0.0.0` once `API_KEY` is set',
    valid: 'an address or name of this machine',
  }),
  port: setting('PORT', integer({ default: 8_000, min: 0, max: 65_535 }), {
    means: 'port to listen on',
    valid: '`0` to `65535`; `0` takes a free one, which the log names',
  }),
  apiKeys: secret('API_KEY', apiKeys, {
    means: 'bearer keys of the management routes. Without one these are open, which the log says at start',
    valid:
      'a list of keys of at least 8 characters each; any of them opens. Use at least 16 random characters ' +
      '(`openssl rand -hex 24`): the log warns of shorter keys at start. A client that sends more than 20 ' +
      'different wrong keys in a minute is answered 429',
  }),
  jwtSecret: secret('JWT_SECRET', key(), {
    means:
      'signs the tokens of the Svix API under `/api/v1`. Without it a secret is made at the first start and ' +
      'kept in the store',
    valid:
      'for `HS…` a text, whose UTF-8 bytes are the key: below 16 characters the log warns at start. For the ' +
      'others a private key in PEM, or the public one: tokens are verified then, and made elsewhere (`hookferry ' +
      'token` and portal access refuse). Its line breaks may be written as `\\n`',
  }),
  jwtAlgorithm: setting('JWT_ALGORITHM', oneOf('HS256', TOKEN_ALGORITHMS), {
    means: 'the one algorithm of tokens; a token that names another one is refused',
    valid:
      '`HS256`, `HS384`, `HS512`; `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512` with an RSA key of 2,048 ' +
      'bits or more; `ES256`, `ES384`, `ES512` with a key on the curve P-256, P-384, P-521; `EdDSA` with an ' +
      'Ed25519 key',
  }),
  webhookSecret: secret('WEBHOOK_SECRET', key(), {
    means: 'key of the signatures of `POST /webhook`. Without it the gateway is not ready, and `/webhook` answers 503',
    valid: 'any text',
  }),
  publicUrl: setting('PUBLIC_URL', websiteUrl, {
    means:
      'the URL of the gateway, as clients see it. Links to the gateway begin with it, such as the `url` of ' +
      "portal access, and its host is known as the gateway's own ([browsers](#browsers)). Without it links " +
      'begin with `http://localhost:` and the `PORT`; the `Host` of a request is never used for links',
    valid:
      'a URL that begins with `https://` or `http://`, with at most a path behind the host; a proxy in front ' +
      'takes that path off',
  }),
  shutdownDelayMs: setting('SHUTDOWN_DELAY', duration({ default: '0s', min: '0s', max: '10m' }), {
    means:
      'how long the gateway goes on serving after SIGTERM, while `/health/ready` is 503 already, so that load ' +
      'balancers find out before the port closes; at least two rounds of their probes. SIGINT does not wait, ' +
      'and a second signal ends the wait. The process may be killed 10 s after the wait',
  }),
  maxBodyBytes: setting('MAX_BODY', size({ default: '1mb', min: '1kb', max: '64mb' }), {
    means: 'largest request body; a larger one is answered 413',
  }),
}

export const COMPATIBILITY = {
  compatibility: setting('COMPATIBILITY', text(presetProblem), {
    means:
      'other defaults, for those who come from that program; what is set by itself counts. `svix`: `MAX_BODY` ' +
      'is `2mb`, `RETRY_SCHEDULE` is `svix`. [docs/svix-api.md](svix-api.md#settings-of-the-original) has its ' +
      "settings beside the gateway's",
    valid: '`svix`',
  }),
}

export const CONNECTIONS = {
  maxConnections: setting('MAX_CONNECTIONS', integer({ default: 8_192, min: 1, max: 1_000_000 }), {
    means:
      'inbound connections at once; a further one is closed at once, without an answer. The number is lower ' +
      'where the process may not open so many files (`ulimit -n`): `DISPATCH_CONCURRENCY` and 128 of these are ' +
      'kept for deliveries and for the store, and at least a quarter is for connections. The log says so at ' +
      'start',
  }),
  maxPipelined: setting('MAX_PIPELINED', integer({ default: 64, min: 1, max: 10_000 }), {
    means:
      'requests on one connection that wait for their answers; a client that sends one more is cut off. Clients ' +
      'that wait for each answer have one. All connections that have several such requests may have 4,096 ' +
      'together',
  }),
  maxBodyBytesInProgress: setting('MAX_BODY_BYTES_IN_PROGRESS', size({ default: '64mb', min: '1kb', max: '64gb' }), {
    means:
      'memory for bodies that have not arrived completely, over all connections. Beyond it the bodies that were ' +
      'begun first are answered 503 with `Retry-After`: honest bodies are complete after a moment',
    valid: '`1kb` to `64gb`, but not less than `MAX_BODY`',
  }),
  unreadTimeoutMs: setting('UNREAD_TIMEOUT', duration({ default: '30s', max: '1h' }), {
    means:
      'a client that has read nothing for this time, while answers wait for it, is cut off, at most 10 s later. ' +
      'A slow download goes on as long as bytes are read',
  }),
}

export const LOG = {
  logLevel: setting(
    'LOG_LEVEL',
    oneOf('INFO', ['TRACE', 'DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL', 'SILENT']),
    {
      means: 'least important level that is logged, in either case',
      valid: '`TRACE`, `DEBUG`, `INFO`, `WARN` or `WARNING`, `ERROR`, `FATAL` or `CRITICAL`, `SILENT`',
    },
  ),
}
