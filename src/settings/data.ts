/** Settings of the data: where it is, how long it is kept, and which nodes share it. */
import { type EncryptionKey, parseEncryptionKeys } from '../domain/encryption.ts'
import { Hidden } from '../lib/hidden.ts'
import { parseDatabaseUrl, redisName } from '../lib/service-url.ts'
import { duration, hidden, mapped, oneOf, text } from './kinds.ts'
import { type Kind, secret, setting } from './setting.ts'

// Neither problem repeats the text, because it may hold a password.
const databaseUrl: Kind<Hidden> = mapped(
  {
    ...text(),
    default: 'sqlite:./data/hookferry.db',
    read: (url) =>
      parseDatabaseUrl(url) === null
        ? {
            problems: [
              'has to be sqlite:///absolute/path.db, sqlite:./relative/path.db or postgres://user:password@host:5432/database',
            ],
          }
        : { value: url },
  },
  (url) => new Hidden(url),
)

function shownDatabase(url: string): string {
  const database = parseDatabaseUrl(url)
  return database?.engine === 'postgres' ? `postgres://${database.name}` : url
}

const redisUrl = hidden(
  text((url) => (redisName(url) === null ? 'has to be redis://user:password@host:6379, or rediss:// for TLS' : null)),
)

/** Keys, newest first. */
const encryptionKeys: Kind<readonly EncryptionKey[]> = {
  ...text(),
  read: (keys) => {
    const parsed = parseEncryptionKeys(keys)
    return 'keys' in parsed ? { value: parsed.keys } : { problems: [parsed.problem] }
  },
}

function shownKeys(text: string): string {
  const parsed = parseEncryptionKeys(text)
  return 'keys' in parsed ? `keys ${parsed.keys.map(({ id }) => id).join(', ')}` : '[secret]'
}

export const DATA = {
  databaseUrl: secret('DATABASE_URL', databaseUrl, {
    show: shownDatabase,
    means:
      'the database: a file, whose directory is made and which one running gateway owns, or a PostgreSQL that ' +
      'any number of nodes share',
    valid:
      '`sqlite:///absolute/path.db`, `sqlite:./relative/path.db`, or ' +
      '`postgres://user:password@host:5432/database`',
  }),
  encryptionKeys: secret('ENCRYPTION_KEY', encryptionKeys, {
    show: shownKeys,
    means:
      'keys that encrypt the secrets in the database ([which these are](storage.md#what-is-encrypted)). Without ' +
      'a key a SQLite file gets a key file beside it, and a PostgreSQL keeps secrets in the clear, which the ' +
      'log says at start. The first key encrypts, the others only decrypt; `hookferry rekey` encrypts ' +
      'everything with the first one. If the keys are lost, the secrets are lost',
    valid: 'a list, newest first, of base64 of 32 bytes each, such as `openssl rand -base64 32` makes',
  }),
  attemptRetentionMs: setting('ATTEMPT_RETENTION', duration({ default: '72h' }), {
    means: 'how long the delivery log is kept',
  }),
  messageRetentionMs: setting('MESSAGE_RETENTION', duration({ default: '90d' }), {
    means: 'how long payloads of finished messages and idempotency keys are kept',
  }),
}

export const NODES = {
  role: setting('ROLE', oneOf('all', ['all', 'api', 'worker']), {
    means:
      'what this node does: `api` answers requests and attempts nothing, `worker` attempts deliveries and ' +
      'answers only the probes and `/metrics`, `all` does both',
    valid: '`all`; with PostgreSQL also `api`, `worker`',
  }),
  redisUrl: secret('REDIS_URL', redisUrl, {
    show: (url) => `redis://${redisName(url)}`,
    means:
      'a Redis beside PostgreSQL, not used with SQLite. Endpoints are cached there, encrypted if there is an ' +
      '`ENCRYPTION_KEY`, otherwise **with their secrets in the clear**. Rate limits hold over all nodes ' +
      'together, and nodes tell each other of due deliveries. Nothing is lost with Redis',
    valid: '`redis://user:password@host:6379/0`, or `rediss://…` for TLS',
  }),
}
