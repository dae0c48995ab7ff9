/** PostgreSQL stores in databases of their own, on a server that goes away with the tests. */
import { DEFAULT_APP, DEFAULT_APP_UID, DEFAULT_ORG } from '../../src/domain/application.ts'
import { MANAGEMENT_ORG } from '../../src/domain/operational.ts'
import { openPostgresStore, type PostgresOptions } from '../../src/store/postgres/postgres-store.ts'
import type { Store } from '../../src/store/store.ts'
import type { OpenedStore } from '../conformance/builders.ts'
import { type PostgresServer, startPostgres } from '../postgres-server.ts'

/** The server's disk is not flushed, which a test has to allow; few connections, for a test opens many stores. */
export const openStore = (url: string, options: Omit<PostgresOptions, 'url'> = {}): Promise<Store> =>
  openPostgresStore({ url, allowUnsafeFsync: true, ...options })

/** Two nodes on one new database. */
export interface Nodes extends AsyncDisposable {
  url: string
  one: Store
  other: Store
}

export async function twoNodes(server: PostgresServer): Promise<Nodes> {
  const url = await server.createDatabase()
  const [one, other] = await Promise.all([openStore(url), openStore(url)])
  return {
    url,
    one,
    other,
    async [Symbol.asyncDispose]() {
      await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()])
    },
  }
}

export const AT_ONCE = 30

/** Does something many times at the same moment, in turns through the one node and the other. */
export const throughBoth = <T>(nodes: Nodes, act: (store: Store, i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: AT_ONCE }, (_, i) => act(i % 2 === 0 ? nodes.one : nodes.other, i)))

export interface TempPostgres extends AsyncDisposable {
  readonly server: PostgresServer
  /** An empty store; disposing empties it for the next one. */
  open(): Promise<OpenedStore>
}

interface Pooled {
  url: string
  store: Store
}

/** What was in a database when it was new stays; all else is removed. */
const EMPTY = `
DO $$
DECLARE name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
      AND c.relname NOT IN ('hookferry_schema', 'organization', 'event_type', 'inbox_total')
  LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
  DELETE FROM event_type WHERE org_id <> '${MANAGEMENT_ORG}';
  INSERT INTO application (org_id, id, uid, name, created_at, updated_at)
    VALUES ('${DEFAULT_ORG}', '${DEFAULT_APP}', '${DEFAULT_APP_UID}', 'Default', 0, 0);
  UPDATE inbox_total SET messages = 0, senders = 0;
END $$`

/** Hands out empty stores. Making a database takes longer than most tests do, so that each is emptied and used again. */
export async function tempPostgres(): Promise<TempPostgres> {
  const server = await startPostgres()
  const idle: Pooled[] = []
  const all: Pooled[] = []
  return {
    server,
    async open() {
      let pooled = idle.pop()
      if (pooled === undefined) {
        const url = await server.createDatabase()
        pooled = { url, store: await openStore(url) }
        all.push(pooled)
      }
      const opened = pooled
      return {
        get store() {
          return opened.store
        },
        async reopen() {
          await opened.store[Symbol.asyncDispose]()
          opened.store = await openStore(opened.url)
          return opened.store
        },
        async [Symbol.asyncDispose]() {
          await server.sql(opened.url, EMPTY)
          idle.push(opened)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map(({ store }) => store[Symbol.asyncDispose]()))
      await server[Symbol.asyncDispose]()
    },
  }
}
