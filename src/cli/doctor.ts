/**
 * `hookferry doctor`: checks everything that a gateway needs, beside one that may be running, and gives advice. Each
 * check is a line; the exit code is 1 when a check failed.
 */
import { statSync } from 'node:fs'
import { createServer } from 'node:net'
import { type Config, ConfigError, readConfig, type Secrets } from '../config.ts'
import { fail, type Finding, fine, warn } from '../domain/finding.ts'
import { systemClock } from '../lib/clock.ts'
import { connectionsWithin, openFilesMax } from '../lib/open-files.ts'
import { examineData } from './database.ts'
import { subnetDoubts } from '../settings/subnets.ts'
import { warningsOf } from './warnings.ts'

export async function diagnose(environment: NodeJS.ProcessEnv): Promise<void> {
  let isBad = false
  const report = (findings: readonly Finding[]) => {
    for (const finding of findings) process.stdout.write(`${lineOf(finding)}\n`)
    isBad ||= findings.some(({ state }) => state === 'fail')
  }
  const settings = examineSettings(environment)
  report(settings.findings)
  if (settings.read !== null) {
    const { config, secrets } = settings.read
    report(examineSubnets(config))
    report(await examineData(config, secrets, systemClock))
    report([examineEnvironmentFile('.env'), await examinePort(config), examineFiles(config)])
  }
  if (isBad) process.exitCode = 1
}

const lineOf = ({ state, check, says, advice }: Finding): string =>
  `${state.padEnd(4)}  ${check.padEnd(8)}  ${says}${advice === null ? '' : `. To do: ${advice}`}`

function examineSettings(environment: NodeJS.ProcessEnv): {
  read: { config: Config; secrets: Secrets } | null
  findings: Finding[]
} {
  try {
    const read = readConfig(environment)
    const warnings = warningsOf(read, environment)
    const findings: Finding[] = warnings.map((says) => ({ check: 'settings', state: 'warn', says, advice: null }))
    return { read, findings: [fine('settings', 'valid; hookferry config shows them'), ...findings] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { read: null, findings: error.message.split('\n').map((problem) => fail('settings', problem)) }
  }
}

function examineSubnets({ allowedSubnets }: Config): Finding[] {
  const doubts = subnetDoubts(allowedSubnets)
  if (doubts.length === 0)
    return [fine('subnets', allowedSubnets.join(', ') || 'deliveries go to public addresses only')]
  return doubts.map((says) => warn('subnets', says, 'narrow ALLOWED_SUBNETS to what deliveries need'))
}

/** The file holds the secrets of a first try. */
function examineEnvironmentFile(path: string): Finding {
  const found = statSync(path, { throwIfNoEntry: false })
  const isOpen = found !== undefined && process.platform !== 'win32' && (found.mode & 0o077) !== 0
  if (isOpen) return warn('.env', `${path} can be read by other users`, `chmod 600 ${path}`)
  return fine('.env', found === undefined ? 'there is none' : 'readable for its user alone')
}

/** A running gateway may have the port. */
async function examinePort({ host, port }: Config): Promise<Finding> {
  if (port === 0) return fine('port', 'PORT is 0: any free one')
  const code = await new Promise<string | null>((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => resolve(null)))
  })
  if (code === null) return fine('port', `${port} on ${host} is free`)
  if (code === 'EADDRINUSE')
    return (await isGateway(host, port))
      ? fine('port', `a running gateway has ${port} on ${host}`)
      : fail('port', `another program has ${port} on ${host}`, 'end it, or set PORT')
  if (code === 'EACCES') return fail('port', `${port} on ${host} needs rights that this user does not have`, 'set PORT')
  return fail('port', `${host} is no address of this machine (${code})`, 'set HOST')
}

const PROBE_MS = 2_000
const EVERY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

async function isGateway(host: string, port: number): Promise<boolean> {
  const address = EVERY_ADDRESS[host] ?? host
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}/health/live`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS), redirect: 'error' })
    return answer.ok && /"status":"ok"/.test((await answer.text()).slice(0, 1_000))
  } catch {
    return false
  }
}

function examineFiles({ maxConnections, dispatchConcurrency }: Config): Finding {
  const files = openFilesMax()
  const room = connectionsWithin(maxConnections, files, dispatchConcurrency)
  return room < maxConnections
    ? warn('ulimit', `${files} open files leave room for ${room} of MAX_CONNECTIONS`, 'raise ulimit -n')
    : fine('ulimit', `${files === Infinity ? 'any number of' : files} open files`)
}
