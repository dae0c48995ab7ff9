import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type Config, ConfigError, readConfig, type Secrets } from '../src/config.ts'
import { Hidden } from '../src/lib/hidden.ts'
import { keysWithLineBreaks } from '../src/settings/read.ts'

const variableOf = (line: string) => line.split(':', 1)[0] ?? ''

/** What is said about an environment, a line for each problem. */
function problems(environment: NodeJS.ProcessEnv): string[] {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

const hours = (count: number) => count * 3_600_000

/** The secrets as they are. */
const revealed = (secrets: Secrets) => {
  const reveal = (value: unknown): unknown =>
    value instanceof Hidden ? value.reveal() : Array.isArray(value) ? value.map(reveal) : value
  return Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, reveal(value)]))
}

test('an empty environment has the documented defaults', () => {
  expect(readConfig({})).toEqual({
    config: {
      database: { engine: 'sqlite', path: './data/hookferry.db' },
      redis: null,
      role: 'all',
      host: '127.0.0.1',
      port: 8_000,
      publicUrl: null,
      logLevel: 'INFO',
      defaultSignatureType: 'hmac256',
      jwtAlgorithm: 'HS256',
      retryScheduleMs: [10_000, 30_000, 60_000, 300_000, 900_000],
      shutdownDelayMs: 0,
      deliveryTimeoutMs: 10_000,
      endpointConcurrency: 64,
      dispatchConcurrency: 512,
      endpointDisableAfterMs: hours(120),
      applicationEndpointsMax: 1_000,
      portalEndpointsMax: 50,
      attemptRetentionMs: hours(72),
      messageRetentionMs: hours(90 * 24),
      maxBodyBytes: 1_048_576,
      maxConnections: 8_192,
      maxPipelined: 64,
      maxBodyBytesInProgress: 64 * 1_048_576,
      unreadTimeoutMs: 30_000,
      allowedSubnets: [],
      dnsServers: [],
      httpsOnly: false,
      proxyExceptions: [],
      verifyTls: true,
      maxHops: 5,
      signatureHeaders: 'both',
      svix: null,
      svixApp: null,
      svixRequired: false,
    },
    secrets: {
      apiKeys: [],
      webhookSecret: null,
      svixToken: null,
      jwtSecret: null,
      encryptionKeys: [],
      databaseUrl: new Hidden('sqlite:./data/hookferry.db'),
      redisUrl: null,
      proxyUrl: null,
    },
  })
})

const valid: [variable: string, text: string, member: keyof Config, value: unknown][] = [
  ['DATABASE_URL', 'sqlite:///data/app.db', 'database', { engine: 'sqlite', path: '/data/app.db' }],
  ['DATABASE_URL', 'sqlite:/data/app.db', 'database', { engine: 'sqlite', path: '/data/app.db' }],
  ['DATABASE_URL', 'sqlite:./a/b.db', 'database', { engine: 'sqlite', path: './a/b.db' }],
  ['DATABASE_URL', 'sqlite:b.db', 'database', { engine: 'sqlite', path: 'b.db' }],
  [
    'DATABASE_URL',
    'postgres://u:p@db.example:6432/x?a=b',
    'database',
    { engine: 'postgres', name: 'db.example:6432/x' },
  ],
  ['DATABASE_URL', 'postgresql://db/x', 'database', { engine: 'postgres', name: 'db:5432/x' }],
  ['DATABASE_URL', 'postgres:///x?host=/run/pg', 'database', { engine: 'postgres', name: '/run/pg:5432/x' }],
  ['REDIS_URL', '', 'redis', null],
  ['REDIS_URL', 'redis://u:p@cache.example/3', 'redis', 'cache.example:6379'],
  ['REDIS_URL', 'rediss://cache.example:7000', 'redis', 'cache.example:7000'],
  ['ROLE', 'ALL', 'role', 'all'],
  ['HOST', '::', 'host', '::'],
  ['HOST', '', 'host', '127.0.0.1'],
  ['PORT', '0', 'port', 0],
  ['PORT', '65535', 'port', 65_535],
  ['LOG_LEVEL', 'debug', 'logLevel', 'DEBUG'],
  ['LOG_LEVEL', 'Warning', 'logLevel', 'WARNING'],
  ['RETRY_SCHEDULE', '250ms, 1.5s,2h', 'retryScheduleMs', [250, 1_500, hours(2)]],
  ['RETRY_SCHEDULE', '', 'retryScheduleMs', []],
  ['RETRY_SCHEDULE', ' ', 'retryScheduleMs', []],
  ['RETRY_SCHEDULE', 'Svix', 'retryScheduleMs', [5_000, 300_000, 1_800_000, hours(2), hours(5), hours(10), hours(10)]],
  [
    'RETRY_SCHEDULE',
    'standard-webhooks',
    'retryScheduleMs',
    [5_000, 300_000, 1_800_000, ...[2, 5, 10, 14, 20, 24].map(hours)],
  ],
  ['DELIVERY_TIMEOUT', '1ms', 'deliveryTimeoutMs', 1],
  ['SHUTDOWN_DELAY', '0s', 'shutdownDelayMs', 0],
  ['SHUTDOWN_DELAY', '10m', 'shutdownDelayMs', 600_000],
  ['DELIVERY_TIMEOUT', '5m', 'deliveryTimeoutMs', 300_000],
  ['ENDPOINT_CONCURRENCY', '1', 'endpointConcurrency', 1],
  ['DISPATCH_CONCURRENCY', '10000', 'dispatchConcurrency', 10_000],
  ['ENDPOINT_DISABLE_AFTER', '90s', 'endpointDisableAfterMs', 90_000],
  ['ATTEMPT_RETENTION', '3650d', 'attemptRetentionMs', hours(3_650 * 24)],
  ['MESSAGE_RETENTION', '1d', 'messageRetentionMs', hours(24)],
  ['MAX_BODY', '1kb', 'maxBodyBytes', 1_024],
  ['MAX_BODY', '64MB', 'maxBodyBytes', 64 * 1_048_576],
  ['MAX_CONNECTIONS', '100', 'maxConnections', 100],
  ['MAX_PIPELINED', '1', 'maxPipelined', 1],
  ['MAX_BODY_BYTES_IN_PROGRESS', '1GB', 'maxBodyBytesInProgress', 1_073_741_824],
  ['UNREAD_TIMEOUT', '250ms', 'unreadTimeoutMs', 250],
  ['ALLOWED_SUBNETS', ' 127.0.0.0/8, ::1 ,', 'allowedSubnets', ['127.0.0.0/8', '::1']],
  ['PUBLIC_URL', 'https://Hooks.Example:443/', 'publicUrl', 'https://hooks.example'],
  ['PUBLIC_URL', 'http://gw.example:8080/in/here/', 'publicUrl', 'http://gw.example:8080/in/here'],
  ['PUBLIC_URL', '', 'publicUrl', null],
  ['MAX_HOPS', '0', 'maxHops', 0],
  ['APPLICATION_ENDPOINTS_MAX', '3', 'applicationEndpointsMax', 3],
  ['PORTAL_ENDPOINTS_MAX', '0', 'portalEndpointsMax', 0],
  [
    'DNS_SERVERS',
    '10.0.0.2, 10.0.0.3:5353,[fd00::2]:53,fd00::3',
    'dnsServers',
    ['10.0.0.2', '10.0.0.3:5353', '[fd00::2]:53', 'fd00::3'],
  ],
  ['HTTPS_ONLY', 'TRUE', 'httpsOnly', true],
  ['HTTPS_ONLY', '1', 'httpsOnly', true],
  ['HTTPS_ONLY', '0', 'httpsOnly', false],
  ['SIGNATURE_HEADERS', 'webhook-*', 'signatureHeaders', 'webhook'],
  ['SIGNATURE_HEADERS', 'svix-*', 'signatureHeaders', 'svix'],
  ['SIGNATURE_HEADERS', 'BOTH', 'signatureHeaders', 'both'],
]

test.each(valid)('%s=%s is read', (variable, text, member, value) => {
  expect(readConfig({ [variable]: text }).config[member]).toEqual(value)
})

describe('line breaks and blanks at the ends', () => {
  test.each(valid.filter(([, text]) => text !== ''))('of %s=%s are left out', (variable, text, member, value) => {
    for (const around of [`${text}\n`, `${text}\r\n`, ` ${text}\t`])
      expect(readConfig({ [variable]: around }).config[member]).toEqual(value)
  })

  const SECRET = 'sixteen characters'

  test('of keys: line breaks are left out, which whoever starts it can be told; blanks are refused', () => {
    const read = (text: string) => revealed(readConfig({ WEBHOOK_SECRET: text, JWT_SECRET: text }).secrets)
    for (const text of [SECRET, `${SECRET}\n`, `${SECRET}\r\n`, `\n${SECRET}`])
      expect(read(text)).toMatchObject({ webhookSecret: SECRET, jwtSecret: SECRET })
    expect(keysWithLineBreaks({ WEBHOOK_SECRET: `${SECRET}\n`, JWT_SECRET: SECRET })).toEqual(['WEBHOOK_SECRET'])
    expect(keysWithLineBreaks({ WEBHOOK_SECRET: 'two\nlines' })).toEqual([])
    expect(read('\n')).toMatchObject({ webhookSecret: null, jwtSecret: null })
    for (const text of [` ${SECRET}`, `${SECRET} `, `${SECRET} \n`, `"${SECRET}"`, `'${SECRET}'`])
      expect(problems({ WEBHOOK_SECRET: text, JWT_SECRET: text }).map(variableOf)).toEqual([
        'JWT_SECRET',
        'WEBHOOK_SECRET',
      ])
  })

  test('of other secrets are left out', () => {
    const secrets = { SVIX_TOKEN: 'token\n', API_KEY: 'a-key-of-eight\n,another-key \r\n', SVIX_APP_ID: 'app\n' }
    expect(revealed(readConfig(secrets).secrets)).toMatchObject({
      svixToken: 'token',
      apiKeys: ['a-key-of-eight', 'another-key'],
    })
    expect(problems({ API_KEY: '"a-key-of-eight"' }).map(variableOf)).toEqual(['API_KEY'])
  })
})

const invalid: Record<string, string[]> = {
  DATABASE_URL: [
    '',
    'data.db',
    'sqlite:',
    'sqlite:///',
    'sqlite://data.db',
    'sqlite::memory:',
    'sqlite:./data/',
    'mysql://x/y',
    'postgres:db',
    'postgres://db',
    'postgres://db/',
    'postgres://user:p#ss@db/x y',
  ],
  REDIS_URL: ['localhost', 'http://localhost', 'redis:localhost', 'redis://', 'redis://a b'],
  ROLE: ['', 'both', 'api', 'worker'],
  API_KEY: ['short', 'long-enough-key,short'],
  ENCRYPTION_KEY: ['short', `${Buffer.alloc(32).toString('base64')},x`, Buffer.alloc(16).toString('hex')],
  PORT: ['', 'http', '-1', '65536', '80.5', '8 0', '1e3'],
  LOG_LEVEL: ['', 'loud'],
  RETRY_SCHEDULE: ['soon', '10', '10s,', '10s;30s', '-1s', '11y', 'constructor', Array(101).fill('1s').join(',')],
  SHUTDOWN_DELAY: ['', '601s', '-1s', '5'],
  DELIVERY_TIMEOUT: ['', '0s', '301s', '10', '10 s', 'never'],
  ENDPOINT_CONCURRENCY: ['0', '10001', 'many'],
  DISPATCH_CONCURRENCY: ['0', '10001', 'many'],
  ENDPOINT_DISABLE_AFTER: ['0d', '3651d', 'never'],
  ATTEMPT_RETENTION: ['0s', '72'],
  MESSAGE_RETENTION: ['0s', '90 days'],
  MAX_BODY: ['1', '1023b', '65mb', '1 mb', '1mib'],
  MAX_CONNECTIONS: ['0', '1000001', 'many'],
  MAX_PIPELINED: ['0', '10001', ''],
  MAX_BODY_BYTES_IN_PROGRESS: ['1', '1023b', '65gb', '512kb'],
  UNREAD_TIMEOUT: ['', '0s', '61m', 'never'],
  ALLOWED_SUBNETS: ['home', '10.0.0.0/33', '10.0.0/8', '127.0.0.0/8,::1/129'],
  PUBLIC_URL: [
    'gw.example',
    'ftp://gw.example',
    'https://user@gw.example',
    'https://gw.example?a=b',
    'https://gw.example/#a',
    'https://gw.example//evil.example',
    String.raw`https://gw.example\@evil.example`,
  ],
  MAX_HOPS: ['', '-1', '101', 'x'],
  APPLICATION_ENDPOINTS_MAX: ['', '0', '100001', 'x'],
  PORTAL_ENDPOINTS_MAX: ['', '-1', '100001'],
  DNS_SERVERS: [
    'ns.example',
    '10.0.0',
    '10.0.0.2:0',
    '10.0.0.2:65536',
    '10.0.0.0/8',
    '[fd00::2',
    '[fd00::2]:x',
    '010.0.0.1',
  ],
  HTTPS_ONLY: ['', 'yes', '2'],
  DANGEROUS_DISABLE_TLS_VERIFICATION: ['', 'yes'],
  PROXY_URL: ['proxy:3128', 'socks5://proxy:1080', 'http://proxy/path'],
  PROXY_EXCEPTIONS: ['http://a', '10.0.0.0/33'],
  SIGNATURE_HEADERS: ['', 'none', 'webhook-id', '*'],
  SVIX_SERVER_URL: ['svix.example.com', 'ftp://svix.example.com'],
  SVIX_APP_ID: ['an app', '/a~2b'],
  SVIX_RETRY_SCHEDULE: ['soon'],
}

test.each(Object.entries(invalid))('an invalid %s is refused by name', (variable, texts) => {
  for (const text of texts) {
    const found = problems({ [variable]: text })
    expect({ text, found }).toEqual({ text, found: [expect.stringMatching(new RegExp(`^${variable}: .{10}`))] })
  }
})

test('all problems are reported at once, one line for each', () => {
  const environment = Object.fromEntries(Object.entries(invalid).map(([variable, texts]) => [variable, texts[0]]))
  const found = problems({ ...environment, SVIX_TOKEN: 'testsk_x' })
  expect(found.map(variableOf).sort()).toEqual(Object.keys(invalid).sort())
  expect(problems({ PORT: 'x', SVIX_TOKEN: 'testsk_x' }).map(variableOf)).toEqual(['PORT', 'SVIX_APP_ID'])
  expect(problems({ ALLOWED_SUBNETS: 'home,10.0.0.0/8,away' })).toHaveLength(2)
})

test('a refusal repeats no secret', () => {
  const found = problems({
    API_KEY: 'hidden1,hidden2',
    DATABASE_URL: 'postgres://user:hidden@host',
    REDIS_URL: 'http://user:hidden@host',
    SVIX_TOKEN: 'hidden',
    WEBHOOK_SECRET: 'hidden',
  })
  expect(found).toHaveLength(4)
  expect(found.join()).not.toContain('hidden')
})

describe('secrets', () => {
  test('encryption keys are read newest first, and do not show themselves', () => {
    const [newest, old] = [1, 2].map((n) => Buffer.alloc(32, n).toString('base64'))
    const { encryptionKeys } = readConfig({ ENCRYPTION_KEY: `${newest}, ${old}` }).secrets
    expect(encryptionKeys.map(({ key }) => key.export().toString('base64'))).toEqual([newest, old])
    expect(inspect(encryptionKeys, { depth: 9 }) + JSON.stringify(encryptionKeys)).not.toContain(newest!.slice(0, 8))
    expect(problems({ ENCRYPTION_KEY: `${newest},hush-hush` }).join()).not.toMatch(/hush|AQEB/)
  })

  test('are apart from the configuration', () => {
    const environment = {
      API_KEY: 'first-key, second-key',
      WEBHOOK_SECRET: 'as  it is',
      SVIX_TOKEN: 'testsk_x',
      SVIX_APP_ID: 'app',
      DATABASE_URL: 'postgres://user:hidden-1@host/db',
      REDIS_URL: 'redis://user:hidden-2@host',
      PROXY_URL: 'http://user:hidden-3@proxy:3128',
    }
    const { config, secrets } = readConfig(environment)
    expect(revealed(secrets)).toEqual({
      apiKeys: ['first-key', 'second-key'],
      webhookSecret: 'as  it is',
      svixToken: 'testsk_x',
      databaseUrl: 'postgres://user:hidden-1@host/db',
      redisUrl: 'redis://user:hidden-2@host',
      proxyUrl: 'http://user:hidden-3@proxy:3128',
      jwtSecret: null,
      encryptionKeys: [],
    })
    // Nor do they show themselves, whoever prints them.
    const shown = [JSON.stringify({ config, secrets }), inspect({ config, secrets }, { depth: 9 })].join()
    for (const secret of ['first-key', 'second-key', 'as  it is', 'testsk_x', 'hidden'])
      expect(shown).not.toContain(secret)
  })

  test('that are empty are unset', () => {
    const { secrets } = readConfig({ API_KEY: ' , ', WEBHOOK_SECRET: '', SVIX_TOKEN: '', REDIS_URL: '' })
    expect(secrets).toMatchObject({ apiKeys: [], webhookSecret: null, svixToken: null, redisUrl: null })
  })
})

test('with API_KEY it listens everywhere, unless HOST says where', () => {
  expect(readConfig({ API_KEY: 'long-enough-key' }).config.host).toBe('0.0.0.0')
  expect(readConfig({ API_KEY: 'long-enough-key', HOST: '10.0.0.1' }).config.host).toBe('10.0.0.1')
})

test('the Svix destination is described by its own variables', () => {
  const svix = (environment: NodeJS.ProcessEnv) => readConfig({ SVIX_TOKEN: 't', ...environment }).config.svix
  expect(svix({ SVIX_APP_ID: 'app_1' })).toMatchObject({ serverUrl: null, app: { id: 'app_1' } })
  expect(
    svix({ SVIX_APP_ID: '/project/a~1b', SVIX_SERVER_URL: 'http://127.0.0.1:8071', SVIX_RETRY_SCHEDULE: '1s' }),
  ).toEqual({
    serverUrl: 'http://127.0.0.1:8071',
    app: { pointer: '/project/a~1b' },
    retryScheduleMs: [1_000],
  })
  expect(readConfig({ SVIX_APP_ID: 'app_1' }).config.svix).toBeNull()
})

describe('what signs tokens', () => {
  const pair = (type: string, options: object = {}) => {
    const generate = generateKeyPairSync as unknown as (type: string, options: object) => Record<string, KeyObject>
    const { publicKey, privateKey } = generate(type, options)
    return {
      publicPem: publicKey!.export({ type: 'spki', format: 'pem' }) as string,
      privatePem: privateKey!.export({ type: 'pkcs8', format: 'pem' }) as string,
    }
  }
  const rsa = pair('rsa', { modulusLength: 2_048 })

  test('is a secret of any length for HS…, of which the log warns if it is short', () => {
    for (const JWT_ALGORITHM of ['HS256', 'hs384', 'HS512'])
      expect(problems({ JWT_ALGORITHM, JWT_SECRET: 'x' })).toEqual([])
    expect(readConfig({ JWT_ALGORITHM: 'hs384' }).config.jwtAlgorithm).toBe('HS384')
    expect(problems({ JWT_ALGORITHM: 'HS257' })).toEqual([expect.stringMatching(/^JWT_ALGORITHM: .*HS256/)])
  })

  test('is a key in PEM of the right kind for the others', () => {
    const keys: [string, ReturnType<typeof pair>][] = [
      ['RS256', rsa],
      ['PS512', rsa],
      ['ES256', pair('ec', { namedCurve: 'P-256' })],
      ['ES384', pair('ec', { namedCurve: 'P-384' })],
      ['ES512', pair('ec', { namedCurve: 'P-521' })],
      ['EdDSA', pair('ed25519')],
    ]
    for (const [JWT_ALGORITHM, { publicPem, privatePem }] of keys) {
      for (const pem of [publicPem, privatePem, privatePem.replaceAll('\n', '\\n')])
        expect(problems({ JWT_ALGORITHM, JWT_SECRET: pem })).toEqual([])
      const others = keys.filter(([, other]) => other.publicPem !== publicPem)
      for (const [, other] of others)
        expect(problems({ JWT_ALGORITHM, JWT_SECRET: other.publicPem }).map(variableOf)).toEqual(['JWT_SECRET'])
    }
  })

  test('is no public key that would be taken for a secret, no small key, and nothing that cannot be read', () => {
    const refused = [
      { JWT_SECRET: rsa.publicPem },
      { JWT_SECRET: rsa.publicPem, JWT_ALGORITHM: 'HS512' },
      { JWT_ALGORITHM: 'RS256' },
      { JWT_ALGORITHM: 'RS256', JWT_SECRET: 'a plain secret of some length' },
      { JWT_ALGORITHM: 'RS256', JWT_SECRET: pair('rsa', { modulusLength: 1_024 }).privatePem },
      { JWT_ALGORITHM: 'EdDSA', JWT_SECRET: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----' },
    ]
    for (const environment of refused) {
      const found = problems(environment)
      expect(found.map(variableOf)).toEqual(['JWT_SECRET'])
      expect(found.join()).not.toMatch(/BEGIN|plain secret/)
    }
  })
})

test('COMPATIBILITY sets the defaults of another program, and what is set by itself counts', () => {
  const { config } = readConfig({ COMPATIBILITY: 'Svix' })
  const schedule = [5_000, 300_000, 1_800_000, hours(2), hours(5), hours(10), hours(10)]
  expect(config).toEqual({ ...readConfig({}).config, maxBodyBytes: 2 * 1_048_576, retryScheduleMs: schedule })
  expect(readConfig({ COMPATIBILITY: 'svix', MAX_BODY: '3mb', RETRY_SCHEDULE: '' }).config).toMatchObject({
    maxBodyBytes: 3 * 1_048_576,
    retryScheduleMs: [],
  })
  expect(problems({ COMPATIBILITY: 'other' }).map(variableOf)).toEqual(['COMPATIBILITY'])
})

test('variables of others are ignored', () => {
  expect(readConfig({ PATH: '/bin', PORTS: 'x', port: 'x' })).toEqual(readConfig({}))
})

test('nodes have roles where they share a database', () => {
  const shared = { DATABASE_URL: 'postgres://db/x' }
  for (const role of ['all', 'api', 'worker']) expect(readConfig({ ...shared, ROLE: role }).config.role).toBe(role)
  expect(problems({ ROLE: 'worker' })).toEqual([expect.stringMatching(/^ROLE: .*SQLite/)])
  expect(problems({ ROLE: 'worker', DATABASE_URL: 'x', PORT: 'x' }).map(variableOf)).toEqual(['PORT', 'DATABASE_URL'])
  expect(problems({ REDIS_URL: 'redis://cache' })).toEqual([])
})
