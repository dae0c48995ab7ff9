import { openStore, SIGNING_SECRET, signingSecretOf } from '../app/store.ts'
import type { Config, Secrets } from '../config.ts'
import { Hints } from '../lib/hints.ts'
import { fanOut } from '../telemetry/fan-out.ts'

/** The key that signs tokens, readable also while a gateway runs on the same store. */
export async function readSigningSecret(config: Config, secrets: Secrets): Promise<string> {
  if (secrets.jwtSecret !== null) return secrets.jwtSecret.reveal()
  const known = await readKnownSecret(config, secrets)
  if (known !== null) return known
  await using store = await openStore({
    config,
    secrets,
    observer: fanOut([]),
    hints: new Hints(),
    log: { warn: () => {} },
    onFatal: () => {},
  })
  return await signingSecretOf(store)
}

/** Null when there is no key yet, or when the store has to be opened to know. */
async function readKnownSecret({ database }: Config, { encryptionKeys }: Secrets): Promise<string | null> {
  if (database.engine !== 'sqlite') return null
  const { readSecret } = await import('../store/sqlite/read-secret.ts')
  return readSecret(database.path, SIGNING_SECRET, encryptionKeys)
}
