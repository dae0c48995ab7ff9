import { type App, buildApp } from '../app.ts'
import { ConfigError, readConfig } from '../config.ts'
import { createLog } from '../lib/log.ts'
import { Ending } from './ending.ts'
import { warningsOf } from './warnings.ts'

/**
 * Runs the gateway until SIGTERM or SIGINT. Problems that prevent the start are printed, one line each, and the exit
 * code is 1.
 */
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
  for (const warning of warningsOf(settings, environment)) log.warn(warning)

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
