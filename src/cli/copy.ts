import { copyData } from './database.ts'
import { ConfigError, readConfig } from '../config.ts'

/**
 * Copies the SQLite file that `from` names into the PostgreSQL of `DATABASE_URL`. A second start goes on where the
 * first ended.
 */
export async function copy(from: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const say = (line: string) => process.stderr.write(`hookferry: ${line}\n`)
  try {
    const source = readConfig({ DATABASE_URL: from }).config.database
    const { config, secrets } = readConfig(environment)
    if (source.engine !== 'sqlite')
      throw new ConfigError('the source has to be sqlite:///absolute/path.db or sqlite:./relative/path.db')
    if (config.database.engine !== 'postgres')
      throw new ConfigError(
        'DATABASE_URL has to name the PostgreSQL to copy into: postgres://user:password@host:5432/database',
      )
    const copied = new Map<string, number>()
    const counts = await copyData(source.path, secrets, {
      onNotice: say,
      onProgress({ table, rows }) {
        const before = copied.get(table) ?? 0
        copied.set(table, before + rows)
        if (before === 0 || Math.floor(before / 100_000) < Math.floor((before + rows) / 100_000))
          say(`${table}: ${before + rows} rows`)
      },
    })
    for (const [table, rows] of Object.entries(counts)) process.stdout.write(`${table} ${rows}\n`)
    say('everything is there: start the gateway with this DATABASE_URL, and keep the file until you are content')
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) say(line)
    process.exitCode = 1
  }
}
