import { type App, buildApp } from '../app.ts'
import { type Config, ConfigError, readConfig, type Secrets } from '../config.ts'
import { createLog } from '../lib/log.ts'
import { keysWithLineBreaks } from '../settings/read.ts'
import { Ending } from './ending.ts'

/** Shorter keys work, so that an upgrade stops no gateway, and are warned of. */
const API_KEY_CHARS_MIN = 16

/** Shorter ones work, so that what runs elsewhere can move over. */
const JWT_SECRET_CHARS_MIN = 16

/** Runs the gateway until SIGTERM or SIGINT. What keeps it from starting is said in one line each, and the exit code is 1. */
export async function start(environment: NodeJS.ProcessEnv): Promise<void> {
  const settings = readOrExit(environment)
  if (settings === null) return
  const { config, secrets } = settings
  const { log, flush } = createLog(config.logLevel)

  let app: App | null = null
  const ending = new Ending(() => app, { log, flush })
  try {
    app = await buildApp({ config, secrets, log, onFatal: (error) => void ending.died(error) })
    const address = await app.listen()
    const { database, role } = config
    const where = database.engine === 'sqlite' ? database.path : database.name
    log.info({ address, database: where, role, pid: process.pid }, 'hookferry is ready')
  } catch (error) {
    await app?.[Symbol.asyncDispose]()
    flush()
    complain(startProblem(error, config.host, config.port))
    return
  }
  for (const warning of [...keyWarnings(environment), ...warnings(config, secrets)]) log.warn(warning)

  ending.listen(config.shutdownDelayMs)
}

function readOrExit(environment: NodeJS.ProcessEnv): ReturnType<typeof readConfig> | null {
  try {
    return readConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    complain(error.message)
    return null
  }
}

const keyWarnings = (environment: NodeJS.ProcessEnv): string[] =>
  keysWithLineBreaks(environment).map(
    (name) =>
      `${name} ends with a line break, which is no part of the key: whoever signs with it has to leave it out too`,
  )

function* warnings(config: Config, secrets: Secrets): Generator<string> {
  if (config.redis !== null && config.database.engine === 'sqlite')
    yield 'REDIS_URL is not used: with SQLite there are no other nodes to share anything with'
  if (!config.verifyTls)
    yield 'DANGEROUS_DISABLE_TLS_VERIFICATION is set: certificates of receivers are not looked at, and whoever is on the way reads and changes events. For tests only'
  if (secrets.proxyUrl !== null)
    yield 'PROXY_URL is set: the proxy resolves the names of targets, and has to keep deliveries away from your network. ALLOWED_SUBNETS is for the addresses in URLs, and for PROXY_EXCEPTIONS'
  // It serves nothing that these would guard.
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

function complain(problem: string): void {
  for (const line of problem.split('\n')) process.stderr.write(`hookferry: ${line}\n`)
  process.exitCode = 1
}

function startProblem(error: unknown, host: string, port: number): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `port ${port} on ${host} is taken by another program: set PORT`
  if (code === 'EACCES') return `port ${port} on ${host} needs rights that this user does not have: set PORT`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `HOST: ${host} is no address of this machine`
  return message
}
