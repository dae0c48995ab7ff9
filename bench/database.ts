// The engine that the gateway is measured on: a SQLite file, or a PostgreSQL of the benchmark's own.

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
  throw new Error(`--database is sqlite or postgres, not ${engine}`)
}
