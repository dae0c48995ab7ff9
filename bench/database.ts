// The engine that the gateway is measured on: a SQLite file, or a PostgreSQL of the benchmark's own.

import { startPostgres } from '../test/postgres-server.ts'

export interface Database extends AsyncDisposable {
  /** With the setting that decides how long a commit takes. */
  name: string
  /** An empty database; `file` is where an embedded one goes. */
  url(file: string): Promise<string>
}

export async function openDatabase(engine: string): Promise<Database> {
  if (engine === 'sqlite')
    return {
      name: 'SQLite with synchronous=FULL',
      url: async (file) => `sqlite:${file}`,
      async [Symbol.asyncDispose]() {},
    }
  if (engine === 'postgres') {
    // As an operator would run it: every commit reaches the disk.
    const server = await startPostgres({ fsync: 'on', synchronous_commit: 'on', shared_buffers: '512MB' })
    return {
      name: 'PostgreSQL with fsync, on the same cores',
      url: () => server.createDatabase(),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  }
  throw new Error(`--database is sqlite or postgres, not ${engine}`)
}
