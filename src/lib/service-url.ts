/** URLs of databases and other services. They may hold a password, so only their `name` is ever shown. */
export type DatabaseUrl = { engine: 'sqlite'; path: string } | { engine: 'postgres'; name: string }

/** Null when the text is no URL of a database that is known here. */
export function parseDatabaseUrl(text: string): DatabaseUrl | null {
  const path = sqlitePath(text)
  if (path !== null) return { engine: 'sqlite', path }
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return null
  const { hostname, port, pathname, searchParams } = new URL(text)
  // A socket's directory is a parameter, because it does not fit in the place of the host.
  const host = hostname === '' ? (searchParams.get('host') ?? 'localhost') : hostname
  const database = pathname.slice(1)
  return database === '' ? null : { engine: 'postgres', name: `${host}:${port || '5432'}/${database}` }
}

/** The server's address; null when the text is no URL of a Redis. */
export function redisName(text: string): string | null {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return null
  const { hostname, port } = new URL(text)
  return hostname === '' ? null : `${hostname}:${port || '6379'}`
}

/**
 * Scheme, host, port and path, without a slash at the end; null when the text is no URL of a website, or has more
 * parts.
 */
export function publicUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, origin, username, password, pathname, search, hash } = new URL(text)
  const isPlain = `${username}${password}${search}${hash}` === '' && /^(\/[\w.~-]+)*\/?$/.test(pathname)
  return isPlain && /^https?:$/.test(protocol) ? origin + pathname.replace(/\/$/, '') : null
}

/** `sqlite:///data/app.db` is absolute, `sqlite:./x.db` and `sqlite:x.db` are relative; null for all other texts. */
function sqlitePath(url: string): string | null {
  const match = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)
  const path = match?.[1]
  // A colon would begin one of SQLite's own names, such as `:memory:`, a database that each thread would have for
  // itself.
  return path === undefined || /^(\/\/|:)|\/$/.test(path) ? null : path
}
