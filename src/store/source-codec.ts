/**
 * Encrypts and decrypts the secrets of a source for both engines: they are one encrypted text, like those of an
 * endpoint.
 */
import type { Encryption } from '../domain/encryption.ts'
import type { AppId, SourceId } from '../domain/ids.ts'
import type { Source } from '../domain/source.ts'
import { decryptStored, NOTHING_SECRET, secretPlace } from './secret-text.ts'
import type { Sources } from './port/sources.ts'

/** A source as an engine stores it. */
export type StoredSource = Omit<Source, 'secrets'> & { secrets: string }

/** The verbs that an engine offers: sources in stored form. */
export interface StoredSources {
  createSource(stored: StoredSource, max: number): ReturnType<Sources['createSource']>
  updateSource(stored: StoredSource, unchangedSince: number): ReturnType<Sources['updateSource']>
  getSource(id: SourceId): Promise<StoredSource | null>
  findSource(appId: AppId, idOrName: string): Promise<StoredSource | null>
  listSources(query: Parameters<Sources['listSources']>[0]): Promise<{ data: StoredSource[]; total: number }>
}

function toStored(encryption: Encryption, source: Source): StoredSource {
  const text = JSON.stringify(source.secrets)
  const isNothing = NOTHING_SECRET.includes(text)
  return { ...source, secrets: isNothing ? text : encryption.encrypt(text, secretPlace(source.id, 'secrets')) }
}

const fromStored = (encryption: Encryption, stored: StoredSource): Source => ({
  ...stored,
  secrets: JSON.parse(decryptStored(encryption, stored.secrets, secretPlace(stored.id, 'secrets'))),
})

/** The verbs of the store that know sources, built on an engine that does not know their secrets. */
export function encryptedSources(encryption: Encryption, engine: StoredSources): Omit<Sources, 'deleteSource'> {
  const openOrNull = (stored: StoredSource | null) => (stored === null ? null : fromStored(encryption, stored))
  return {
    createSource: (source, max) => engine.createSource(toStored(encryption, source), max),
    updateSource: (source, unchangedSince) => engine.updateSource(toStored(encryption, source), unchangedSince),
    getSource: async (id) => openOrNull(await engine.getSource(id)),
    findSource: async (appId, idOrName) => openOrNull(await engine.findSource(appId, idOrName)),
    async listSources(query) {
      const { data, total } = await engine.listSources(query)
      return { data: data.map((stored) => fromStored(encryption, stored)), total }
    },
  }
}
