import type { Config, Secrets } from '../config.ts'
import { keysWithLineBreaks } from '../settings/read.ts'

/** Length below which keys are warned of. Shorter keys work, so that an upgrade stops no gateway. */
const API_KEY_CHARS_MIN = 16

/** Length below which these are warned of. Shorter ones work, so that users of another system can move here. */
const JWT_SECRET_CHARS_MIN = 16

interface Read {
  config: Config
  secrets: Secrets
}

/** Warnings about valid settings that are probably a mistake, a sentence each. */
export const warningsOf = (settings: Read, environment: NodeJS.ProcessEnv): string[] => [
  ...keyWarnings(environment),
  ...warnings(settings),
]

const keyWarnings = (environment: NodeJS.ProcessEnv): string[] =>
  keysWithLineBreaks(environment).map(
    (name) =>
      `${name} ends with a line break, which is no part of the key: whoever signs with it has to leave it out too`,
  )

function* warnings({ config, secrets }: Read): Generator<string> {
  if (config.redis !== null && config.database.engine === 'sqlite')
    yield 'REDIS_URL is not used: with SQLite there are no other nodes to share anything with'
  if (!config.verifyTls)
    yield 'DANGEROUS_DISABLE_TLS_VERIFICATION is set: certificates of receivers are not looked at, and whoever is on the way reads and changes events. For tests only'
  if (secrets.proxyUrl !== null)
    yield 'PROXY_URL is set: the proxy resolves the names of targets, and has to keep deliveries away from your network. ALLOWED_SUBNETS is for the addresses in URLs, and for PROXY_EXCEPTIONS'
  // This node serves nothing that these settings would guard.
  if (config.role === 'worker') return
  if (secrets.apiKeys.length === 0)
    yield `API_KEY is not set: the management routes are open to whoever reaches ${config.host}`
  if (secrets.apiKeys.some((key) => key.length < API_KEY_CHARS_MIN))
    yield `API_KEY has a key of fewer than ${API_KEY_CHARS_MIN} characters, which may be guessed: make one with openssl rand -hex 24`
  if (config.svix === null)
    yield config.svixRequired
      ? 'SVIX_TOKEN is not set, and SVIX_REQUIRED is: /notifications answers 503'
      : 'SVIX_TOKEN is not set: notifications reach subscriptions only, and their deliveries to Svix wait until it is set, at most MESSAGE_RETENTION'
  const { jwtSecret } = secrets
  if (jwtSecret !== null && jwtSecret.length < JWT_SECRET_CHARS_MIN)
    yield `JWT_SECRET has fewer than ${JWT_SECRET_CHARS_MIN} characters: whoever guesses it speaks for every organization. Make one with openssl rand -hex 32, and new tokens with it`
  if (secrets.webhookSecret === null) yield 'WEBHOOK_SECRET is not set: /webhook and /health/ready answer 503'
}
