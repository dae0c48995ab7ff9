import { z } from 'zod'
import { duration, integer, isQuoted, key, list, oneOf, scheduleOf, size, yesOrNo } from './config-values.ts'
import { type EncryptionKey, parseEncryptionKeys } from './domain/encryption.ts'
import { isJsonPointer } from './domain/json-pointer.ts'
import { isCompatible, presetOf } from './domain/presets.ts'
import { type SvixApp, svixAppProblem } from './domain/svix-id.ts'
import { TOKEN_ALGORITHMS, type TokenAlgorithm, tokenSecretProblem } from './domain/token-keys.ts'
import { cidrProblem, isNameServer } from './destinations/address-ranges.ts'
import { exceptionProblem, parseProxy } from './destinations/proxy-url.ts'
import { Hidden } from './lib/hidden.ts'
import { type DatabaseUrl, parseDatabaseUrl, publicUrl, redisName } from './lib/service-url.ts'

/** Settings of which every character counts, also at the ends. */
const KEYS: readonly string[] = ['WEBHOOK_SECRET', 'JWT_SECRET']

/** Environment files and secrets of Kubernetes leave line breaks and blanks at the ends, which nobody means. */
function trimmed(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const texts = Object.entries(environment).filter(
    ([name, text]) => text !== undefined && Object.hasOwn(Environment.shape, name),
  )
  return Object.fromEntries(
    texts.map(([name, text]) => [name, KEYS.includes(name) ? text?.replaceAll(LINE_BREAKS, '') : text?.trim()]),
  )
}

const LINE_BREAKS = /^[\r\n]+|[\r\n]+$/g

/** The keys from which line breaks were taken away: whoever signs with them would have to do the same. */
export const keysWithLineBreaks = (environment: NodeJS.ProcessEnv): string[] =>
  KEYS.filter((name) => (environment[name] ?? '').search(LINE_BREAKS) >= 0)

const Environment = z.object({
  DATABASE_URL: z
    .string()
    .default('sqlite:./data/hookferry.db')
    .transform((text, ctx) => {
      const database = parseDatabaseUrl(text)
      if (database !== null) return { text, database }
      // Not repeated here: it may hold a password.
      ctx.addIssue(
        'has to be sqlite:///absolute/path.db, sqlite:./relative/path.db or postgres://user:password@host:5432/database',
      )
      return z.NEVER
    }),
  REDIS_URL: z
    .string()
    .default('')
    .superRefine((text, ctx) => {
      if (text !== '' && redisName(text) === null)
        ctx.addIssue('has to be redis://user:password@host:6379, or rediss:// for TLS')
    }),
  ROLE: oneOf('all', ['all', 'api', 'worker'] as const),
  WEBHOOK_SECRET: key,
  API_KEY: list.superRefine((keys, ctx) => {
    if (keys.some((key) => key.length < 8)) ctx.addIssue('has a key of fewer than 8 characters')
    if (keys.some(isQuoted)) ctx.addIssue('has a key in quotes, which would be a part of it: leave them out')
  }),
  JWT_SECRET: key,
  JWT_ALGORITHM: oneOf('HS256', TOKEN_ALGORITHMS),
  ENCRYPTION_KEY: z
    .string()
    .default('')
    .transform((text, ctx) => {
      const parsed = parseEncryptionKeys(text)
      if ('keys' in parsed) return parsed.keys
      ctx.addIssue(parsed.problem)
      return z.NEVER
    }),
  HOST: z.string().optional(),
  PORT: integer(8_000, 0, 65_535),
  PUBLIC_URL: z
    .string()
    .default('')
    .transform((text, ctx) => {
      const url = text === '' ? '' : publicUrl(text)
      if (url !== null) return url
      ctx.addIssue(`"${text}" is not a URL such as https://hooks.example.com, with nothing but a path behind the host`)
      return z.NEVER
    }),
  LOG_LEVEL: oneOf('INFO', [
    'TRACE',
    'DEBUG',
    'INFO',
    'WARN',
    'WARNING',
    'ERROR',
    'FATAL',
    'CRITICAL',
    'SILENT',
  ] as const),
  SHUTDOWN_DELAY: duration('0s', '10m', '0s'),
  RETRY_SCHEDULE: scheduleOf('10s,30s,1m,5m,15m'),
  DELIVERY_TIMEOUT: duration('10s', '5m'),
  ENDPOINT_CONCURRENCY: integer(64, 1, 10_000),
  DISPATCH_CONCURRENCY: integer(512, 1, 10_000),
  APPLICATION_ENDPOINTS_MAX: integer(1_000, 1, 100_000),
  PORTAL_ENDPOINTS_MAX: integer(50, 0, 100_000),
  ENDPOINT_DISABLE_AFTER: duration('120h'),
  ATTEMPT_RETENTION: duration('72h'),
  MESSAGE_RETENTION: duration('90d'),
  MAX_BODY: size('1mb', '1kb', '64mb'),
  MAX_CONNECTIONS: integer(8_192, 1, 1_000_000),
  MAX_PIPELINED: integer(64, 1, 10_000),
  MAX_BODY_BYTES_IN_PROGRESS: size('64mb', '1kb', '64gb'),
  UNREAD_TIMEOUT: duration('30s', '1h'),
  ALLOWED_SUBNETS: list.superRefine((subnets, ctx) => {
    for (const subnet of subnets) {
      const problem = cidrProblem(subnet)
      if (problem !== null) ctx.addIssue(problem)
    }
  }),
  DNS_SERVERS: list.superRefine((servers, ctx) => {
    for (const server of servers)
      if (!isNameServer(server))
        ctx.addIssue(`"${server}" is not an IP address, nor one with a port such as 10.0.0.2:5353 or [fd00::2]:5353`)
  }),
  PROXY_URL: z
    .string()
    .default('')
    .superRefine((text, ctx) => {
      // Not repeated here: it may hold a password.
      if (text !== '' && parseProxy(text) === null)
        ctx.addIssue('has to be http://user:password@host:port or https://…, with nothing behind the port')
    }),
  PROXY_EXCEPTIONS: list.superRefine((exceptions, ctx) => {
    for (const one of exceptions) {
      const problem = exceptionProblem(one)
      if (problem !== null) ctx.addIssue(problem)
    }
  }),
  DANGEROUS_DISABLE_TLS_VERIFICATION: yesOrNo,
  HTTPS_ONLY: yesOrNo,
  SVIX_TOKEN: z.string().default(''),
  SVIX_SERVER_URL: z
    .string()
    .default('')
    .superRefine((text, ctx) => {
      const isHttp = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
      if (text !== '' && !isHttp) ctx.addIssue(`"${text}" is not a URL that begins with https:// or http://`)
    }),
  SVIX_APP_ID: z
    .string()
    .default('')
    .superRefine((text, ctx) => {
      const problem = text.startsWith('/')
        ? isJsonPointer(text)
          ? null
          : 'is not a JSON pointer'
        : svixAppProblem(text)
      if (text !== '' && problem !== null)
        ctx.addIssue(`"${text}" ${problem}; a JSON pointer into the event begins with "/"`)
    }),
  SVIX_RETRY_SCHEDULE: scheduleOf('5s,30s,2m,10m,30m,1h,2h,4h,8h,12h,24h,24h,24h'),
  SVIX_REQUIRED: yesOrNo,
  MAX_HOPS: integer(5, 0, 100),
  SIGNATURE_HEADERS: oneOf('both', ['both', 'webhook', 'svix'] as const),
  DEFAULT_SIGNATURE_TYPE: oneOf('hmac256', ['hmac256', 'ed25519'] as const),
  COMPATIBILITY: z
    .string()
    .default('')
    .refine((text) => text === '' || isCompatible(text), { error: 'is not svix, the only program with a preset' }),
})

/** What one variable demands of another. Also when something else is wrong: all problems are reported at once. */
const Settings = Environment.refine((env) => env.SVIX_TOKEN === '' || env.SVIX_APP_ID !== '', {
  path: ['SVIX_APP_ID'],
  error: 'is needed with SVIX_TOKEN: an application id or uid, or a JSON pointer into the event such as /project',
  when: () => true,
})
  .refine((env) => !['api', 'worker'].includes(env.ROLE) || env.DATABASE_URL?.database?.engine !== 'sqlite', {
    path: ['ROLE'],
    error:
      'api and worker are nodes that share a PostgreSQL; with SQLite one process owns the file, so it has to be all',
    when: () => true,
  })

  .refine((env) => tokenSecretProblem(env.JWT_ALGORITHM, env.JWT_SECRET) === null, {
    path: ['JWT_SECRET'],
    error: ({ input }) => {
      const env = input as Record<string, unknown>
      return tokenSecretProblem(env['JWT_ALGORITHM'], env['JWT_SECRET']) ?? ''
    },
    when: () => true,
  })
  .refine((env) => !(env.MAX_BODY_BYTES_IN_PROGRESS < env.MAX_BODY), {
    path: ['MAX_BODY_BYTES_IN_PROGRESS'],
    error: 'is smaller than MAX_BODY, so that the largest body could never arrive',
    when: () => true,
  })

/** Everything that can be set, as typed facts. Durations are milliseconds, sizes bytes. */
export interface Config {
  /** Where it keeps its data. The URL itself is among the secrets. */
  database: DatabaseUrl
  /** The address of the Redis beside it; null without one. */
  redis: string | null
  /** `api` answers requests and attempts nothing, `worker` attempts and answers probes only. */
  role: 'all' | 'api' | 'worker'
  host: string
  port: number
  /** What links to the gateway begin with, without a slash at the end. */
  publicUrl: string | null
  logLevel: string
  /** How long SIGTERM goes on serving before it drains. */
  shutdownDelayMs: number
  retryScheduleMs: readonly number[]
  deliveryTimeoutMs: number
  endpointConcurrency: number
  dispatchConcurrency: number
  /** Endpoints of one application, and how many there may be for a portal token to create another one. */
  applicationEndpointsMax: number
  portalEndpointsMax: number
  endpointDisableAfterMs: number
  attemptRetentionMs: number
  messageRetentionMs: number
  maxBodyBytes: number
  maxConnections: number
  maxPipelined: number
  maxBodyBytesInProgress: number
  unreadTimeoutMs: number
  allowedSubnets: readonly string[]
  /** Name servers for deliveries; none: those of the machine. */
  dnsServers: readonly string[]
  httpsOnly: boolean
  /** Hosts that are connected to directly although there is a proxy. */
  proxyExceptions: readonly string[]
  /** False: certificates of receivers are not looked at. */
  verifyTls: boolean
  /** Deliveries of Hookferry that may lie behind an event which is taken in. */
  maxHops: number
  signatureHeaders: 'both' | 'webhook' | 'svix'
  /** What a secret of an endpoint is when nobody gives one. */
  defaultSignatureType: 'hmac256' | 'ed25519'
  jwtAlgorithm: TokenAlgorithm
  /** Null: notifications wait until it is set. */
  svix: SvixConfig | null
  /** Known without a token too, so that every event that is kept for Svix can go there once there is one. */
  svixApp: SvixApp | null
  /** Without a token notifications are refused, instead of kept until there is one. */
  svixRequired: boolean
}

export interface SvixConfig {
  /** Null: the SDK chooses by the token's region. */
  serverUrl: string | null
  app: SvixApp
  retryScheduleMs: readonly number[]
}

/** Apart from the rest, so that nothing logs them along with it; and none of them shows itself. */
export interface Secrets {
  /** Bearer keys of the management routes; empty leaves them open. */
  apiKeys: readonly Hidden[]
  /** Null when `WEBHOOK_SECRET` is not set: the inbox is not ready then. */
  webhookSecret: Hidden | null
  svixToken: Hidden | null
  /** Signs the tokens of the Svix API; null: the store has one. */
  jwtSecret: Hidden | null
  /** Encrypt what is secret in the database, newest first. Empty: with SQLite there is a key file, else it stays in the clear. */
  encryptionKeys: readonly EncryptionKey[]
  databaseUrl: Hidden
  redisUrl: Hidden | null
  /** What deliveries connect through; null: they connect directly. */
  proxyUrl: Hidden | null
}

const hiddenOrNull = (text: string): Hidden | null => (text === '' ? null : new Hidden(text))

/** What is wrong with the environment, a line for each variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const svixAppFrom = (text: string): SvixApp => (text.startsWith('/') ? { pointer: text } : { id: text })

/** Reads the environment; throws one `ConfigError` that names every problem. */
export function readConfig(environment: NodeJS.ProcessEnv): { config: Config; secrets: Secrets } {
  const set = trimmed(environment)
  const given = { ...presetOf(set['COMPATIBILITY'] ?? ''), ...set }
  // It may be written as the headers themselves.
  given['SIGNATURE_HEADERS'] = given['SIGNATURE_HEADERS']?.replace(/-\*$/, '')
  const parsed = Settings.safeParse(given)
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'))
  const env = parsed.data
  return {
    config: {
      database: env.DATABASE_URL.database,
      redis: redisName(env.REDIS_URL),
      role: env.ROLE,
      host: env.HOST || (env.API_KEY.length > 0 ? '0.0.0.0' : '127.0.0.1'),
      port: env.PORT,
      publicUrl: env.PUBLIC_URL || null,
      logLevel: env.LOG_LEVEL,
      shutdownDelayMs: env.SHUTDOWN_DELAY,
      retryScheduleMs: env.RETRY_SCHEDULE,
      deliveryTimeoutMs: env.DELIVERY_TIMEOUT,
      endpointConcurrency: env.ENDPOINT_CONCURRENCY,
      dispatchConcurrency: env.DISPATCH_CONCURRENCY,
      applicationEndpointsMax: env.APPLICATION_ENDPOINTS_MAX,
      portalEndpointsMax: env.PORTAL_ENDPOINTS_MAX,
      endpointDisableAfterMs: env.ENDPOINT_DISABLE_AFTER,
      attemptRetentionMs: env.ATTEMPT_RETENTION,
      messageRetentionMs: env.MESSAGE_RETENTION,
      maxBodyBytes: env.MAX_BODY,
      maxConnections: env.MAX_CONNECTIONS,
      maxPipelined: env.MAX_PIPELINED,
      maxBodyBytesInProgress: env.MAX_BODY_BYTES_IN_PROGRESS,
      unreadTimeoutMs: env.UNREAD_TIMEOUT,
      allowedSubnets: env.ALLOWED_SUBNETS,
      dnsServers: env.DNS_SERVERS,
      httpsOnly: env.HTTPS_ONLY,
      proxyExceptions: env.PROXY_EXCEPTIONS,
      verifyTls: !env.DANGEROUS_DISABLE_TLS_VERIFICATION,
      maxHops: env.MAX_HOPS,
      signatureHeaders: env.SIGNATURE_HEADERS,
      defaultSignatureType: env.DEFAULT_SIGNATURE_TYPE,
      jwtAlgorithm: env.JWT_ALGORITHM,
      svix:
        env.SVIX_TOKEN === ''
          ? null
          : {
              serverUrl: env.SVIX_SERVER_URL || null,
              app: svixAppFrom(env.SVIX_APP_ID),
              retryScheduleMs: env.SVIX_RETRY_SCHEDULE,
            },
      svixRequired: env.SVIX_REQUIRED,
      svixApp: env.SVIX_APP_ID === '' ? null : svixAppFrom(env.SVIX_APP_ID),
    },
    secrets: {
      apiKeys: env.API_KEY.map((key) => new Hidden(key)),
      webhookSecret: hiddenOrNull(env.WEBHOOK_SECRET),
      svixToken: hiddenOrNull(env.SVIX_TOKEN),
      jwtSecret: hiddenOrNull(env.JWT_SECRET),
      encryptionKeys: env.ENCRYPTION_KEY,
      databaseUrl: new Hidden(env.DATABASE_URL.text),
      redisUrl: hiddenOrNull(env.REDIS_URL),
      proxyUrl: hiddenOrNull(env.PROXY_URL),
    },
  }
}
