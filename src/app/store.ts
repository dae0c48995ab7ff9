/** Opens the store that `DATABASE_URL` names. Each engine is loaded only when it is used. */
import { randomBytes } from 'node:crypto'
import type { Config, Secrets } from '../config.ts'
import { isId } from '../domain/ids.ts'
import type { Hints } from '../lib/hints.ts'
import type { Store } from '../store/store.ts'
import type { Observer } from '../telemetry/events.ts'
import type { AppHints } from './ground.ts'

export interface StoreUse {
  config: Config
  secrets: Secrets
  observer: Pick<Observer, 'committed' | 'storeTrouble'>
  hints: Hints<AppHints>
  log: { warn: (notice: string) => void }
  onFatal: (error: Error) => void
}

export async function openStore({ config, secrets, observer, hints, log, onFatal }: StoreUse): Promise<Store> {
  const { database } = config
  const use = {
    encryptionKeys: secrets.encryptionKeys,
    onNotice: (notice: string) => log.warn(notice),
    onBatch: (size: number) => observer.committed(size),
  }
  if (database.engine === 'postgres') {
    const { openPostgresStore } = await import('../store/postgres/postgres-store.ts')
    return openPostgresStore({
      ...use,
      url: secrets.databaseUrl.reveal(),
      onDue: (at) => hints.publish('due', at),
      onChange: (appId, id) =>
        isId('src', id)
          ? hints.publish('sourceChanged', null)
          : hints.publish('endpointChanged', { appId, id, isShared: false }),
      onExpunged: (id) => hints.publish('expunged', id),
      onTask: () => hints.publish('taskAdded', null),
      onTrouble: (doing, error) => observer.storeTrouble({ doing, error }),
    })
  }
  const { openSqliteStore } = await import('../store/sqlite/sqlite-store.ts')
  return openSqliteStore({ ...use, path: database.path, onDeath: onFatal })
}

/** The name of the stored key for tokens of the Svix API. The key is used when `JWT_SECRET` is not set. */
export const SIGNING_SECRET = 'jwt'

/** Reads that key, and makes it once. */
export const signingSecretOf = (store: Pick<Store, 'secret'>): Promise<string> =>
  store.secret(SIGNING_SECRET, () => randomBytes(32).toString('hex'))
