import { ConfigError, readConfig } from '../config.ts'
import { backupData } from './database.ts'

/** Copies the SQLite file of `DATABASE_URL`, also while a gateway writes to it. A signal leaves nothing behind. */
export async function backup(
  target: string,
  { isForced, environment }: { isForced: boolean; environment: NodeJS.ProcessEnv },
): Promise<void> {
  const say = (line: string) => process.stderr.write(`hookferry: ${line}\n`)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stop.abort()
      // No listener is left for the signal, so it ends the process, and with it the thread that copies.
      process.kill(process.pid, signal)
    })
  try {
    const { config, secrets } = readConfig(environment)
    if (config.database.engine !== 'sqlite')
      throw new ConfigError(
        'DATABASE_URL names a PostgreSQL, which is backed up by its own tools: pg_dump, or pg_basebackup with the write-ahead log',
      )
    const { bytes, tookMs, advice } = await backupData(config.database.path, secrets, {
      target,
      isForced,
      signal: stop.signal,
    })
    process.stdout.write(`${target} ${bytes}\n`)
    say(`copied ${sizeOf(bytes)} in ${(tookMs / 1_000).toFixed(1)} s, and checked the copy`)
    say(advice)
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) say(line)
    process.exitCode = 1
  }
}

const sizeOf = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
