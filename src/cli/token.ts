import { ConfigError, readConfig } from '../config.ts'
import { DEFAULT_ORG } from '../domain/application.ts'
import { tokenKeys } from '../domain/token-keys.ts'
import { systemClock } from '../lib/clock.ts'
import { createTokens } from '../lib/jwt.ts'
import { readSigningSecret } from './signing-secret.ts'

const TEN_YEARS_MS = 3_650 * 86_400_000
const ORGANIZATION = /^org_[a-zA-Z0-9_-]{1,128}$/

/** Prints a token for an organization. Any `org_…` is a tenant of its own, and needs no set-up. */
export async function printToken(organization: string = DEFAULT_ORG, environment: NodeJS.ProcessEnv): Promise<void> {
  try {
    if (!ORGANIZATION.test(organization))
      throw new ConfigError(`"${organization}" is not an organization: org_ and letters or digits, such as org_acme`)
    const { config, secrets } = readConfig(environment)
    const read = tokenKeys(config.jwtAlgorithm, await readSigningSecret(config, secrets))
    if ('problem' in read) throw new ConfigError(`JWT_SECRET: ${read.problem}`)
    const tokens = createTokens(read.keys, systemClock)
    process.stdout.write(`${await tokens.sign({ sub: organization }, systemClock.now() + TEN_YEARS_MS)}\n`)
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) process.stderr.write(`hookferry: ${line}\n`)
    process.exitCode = 1
  }
}
