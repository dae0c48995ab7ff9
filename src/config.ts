/** The settings as typed facts: what each is read into, and what they make of each other. */
import type { SvixApp } from './domain/svix-id.ts'
import { tokenSecretProblem } from './domain/token-keys.ts'
import { type DatabaseUrl, parseDatabaseUrl, redisName } from './lib/service-url.ts'
import { apart, type Given, givenIn, type Problem, readEach } from './settings/read.ts'
import type { PlainValues, SecretValues, SettingName, Values } from './settings/table.ts'

/** Everything that can be set and may be seen. Durations are milliseconds, sizes bytes. */
export interface Config extends Omit<PlainValues, 'compatibility' | 'svixServerUrl' | 'svixRetryScheduleMs'> {
  /** Where it keeps its data. The URL itself is among the secrets. */
  database: DatabaseUrl
  /** The address of the Redis beside it; null without one. */
  redis: string | null
  /** Null: notifications wait until it is set. */
  svix: SvixConfig | null
}

export interface SvixConfig {
  /** Null: the SDK chooses by the token's region. */
  serverUrl: string | null
  app: SvixApp
  retryScheduleMs: readonly number[]
}

/** Apart from the rest, so that nothing logs them along with it; and none of them shows itself. */
export type Secrets = SecretValues

/** What is wrong with the environment, a line for each problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads the environment; throws one `ConfigError` that names every problem. */
export function readConfig(environment: NodeJS.ProcessEnv): { config: Config; secrets: Secrets } {
  const { values, problems } = readEach(givenIn(environment))
  const all = [...problems, ...contradictions(values)]
  if (all.length > 0) throw new ConfigError(all.map(([variable, problem]) => `${variable}: ${problem}`).join('\n'))
  return settled(values as Values)
}

/** What one setting demands of another. Those that could not be read are missing: all problems are reported at once. */
function* contradictions(known: Partial<Values>): Generator<Problem> {
  const { svixToken, svixApp, role, databaseUrl, jwtAlgorithm, jwtSecret, maxBodyBytes, maxBodyBytesInProgress } = known
  if (svixToken && svixApp === null)
    yield [
      'SVIX_APP_ID',
      'is needed with SVIX_TOKEN: an application id or uid, or a JSON pointer into the event such as /project',
    ]
  const isShared = role === 'api' || role === 'worker'
  if (isShared && databaseUrl && databaseOf(databaseUrl.reveal()).engine === 'sqlite')
    yield [
      'ROLE',
      'api and worker are nodes that share a PostgreSQL; with SQLite one process owns the file, so it has to be all',
    ]
  const tokenProblem = jwtSecret === undefined ? null : tokenSecretProblem(jwtAlgorithm, jwtSecret?.reveal() ?? '')
  if (tokenProblem !== null) yield ['JWT_SECRET', tokenProblem]
  if (maxBodyBytes !== undefined && maxBodyBytesInProgress !== undefined && maxBodyBytesInProgress < maxBodyBytes)
    yield ['MAX_BODY_BYTES_IN_PROGRESS', 'is smaller than MAX_BODY, so that the largest body could never arrive']
}

/** What follows from all settings together. */
function settled(values: Values): { config: Config; secrets: Secrets } {
  const { plain, secrets } = apart(values)
  const { compatibility: _preset, svixServerUrl: serverUrl, svixRetryScheduleMs: retryScheduleMs, ...rest } = plain
  const { apiKeys, databaseUrl, redisUrl, svixToken } = secrets
  const app = plain.svixApp
  const config: Config = {
    ...rest,
    database: databaseOf(databaseUrl.reveal()),
    redis: redisName(redisUrl?.reveal() ?? ''),
    host: plain.host || (apiKeys.length > 0 ? '0.0.0.0' : '127.0.0.1'),
    svix: svixToken === null || app === null ? null : { serverUrl, app, retryScheduleMs },
  }
  return { config, secrets }
}

/** Of a URL that was read before. */
const databaseOf = (url: string): DatabaseUrl => parseDatabaseUrl(url)!

/** A setting as an operator may see it. */
export interface Effective {
  variable: string
  /** Null: it is not set. Of a secret no more than helps. */
  value: string | null
  source: Given['source']
  isSecret: boolean
}

/** What holds, in the order of the document. Throws as `readConfig` does. */
export function effectiveSettings(environment: NodeJS.ProcessEnv): Effective[] {
  const { config } = readConfig(environment)
  const follows: Partial<Record<SettingName, string>> = {
    host: config.host,
    publicUrl: config.publicUrl ?? `http://localhost:${config.port}`,
  }
  return givenIn(environment).map(({ name, setting: { variable, show, isSecret }, text, source }) => {
    const value = text === '' && source === 'default' ? (follows[name] ?? null) : show(text)
    return { variable, value, source, isSecret }
  })
}
