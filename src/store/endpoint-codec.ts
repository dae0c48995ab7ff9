/**
 * Encrypts and decrypts the secret parts of an endpoint for both engines: custom headers and secrets are one encrypted
 * text each. The engines below handle the texts as they are; the layers above know nothing of them.
 */
import type { Endpoint } from '../domain/endpoint.ts'
import type { Encryption } from '../domain/encryption.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import type { Extras } from './port/accept.ts'
import type { Endpoints } from './port/endpoints.ts'
import { decryptStored, metaPlace, NOTHING_SECRET, type SecretColumn, secretPlace } from './secret-text.ts'
import { encryptedSources, type StoredSources } from './source-codec.ts'
import type { Store } from './store.ts'

/** An endpoint as an engine stores it. */
export type StoredEndpoint = Omit<Endpoint, 'headers' | 'secrets'> & { headers: string; secrets: string }

export function toStored(encryption: Encryption, endpoint: Endpoint): StoredEndpoint {
  const encrypt = (column: SecretColumn): string => {
    const text = JSON.stringify(endpoint[column])
    return NOTHING_SECRET.includes(text) ? text : encryption.encrypt(text, secretPlace(endpoint.id, column))
  }
  return { ...endpoint, headers: encrypt('headers'), secrets: encrypt('secrets') }
}

/** Throws `store_unavailable` when a text cannot be decrypted, so that deliveries wait for the key instead of failing. */
export function fromStored(encryption: Encryption, stored: StoredEndpoint): Endpoint {
  const decrypt = (column: SecretColumn) =>
    JSON.parse(decryptStored(encryption, stored[column], secretPlace(stored.id, column)))
  return { ...stored, headers: decrypt('headers'), secrets: decrypt('secrets') }
}

/** The verbs that an engine offers: endpoints, sources and values of `meta` in stored form. */
export interface StoredSecrets extends StoredSources {
  createEndpoint(stored: StoredEndpoint, extras?: Extras, max?: number | null): ReturnType<Endpoints['createEndpoint']>
  updateEndpoint(
    stored: StoredEndpoint,
    unchangedSince: number,
    extras?: Extras,
  ): ReturnType<Endpoints['updateEndpoint']>
  getEndpoint(appId: AppId, id: EndpointId): Promise<StoredEndpoint | null>
  findEndpoint(appId: AppId, idOrUid: string): Promise<StoredEndpoint | null>
  listEndpoints(query: ListQuery): Promise<{ data: StoredEndpoint[]; total: number }>
  /** Keeps `fresh` unless the name has a value already. Returns the value that is kept. */
  secret(name: string, fresh: string): Promise<string>
}

type ListQuery = Parameters<Endpoints['listEndpoints']>[0]
type SecretVerbs = Pick<Store, keyof StoredSecrets>

/** The verbs of the store that know secrets, built on an engine that does not. */
export function encryptedVerbs(encryption: Encryption, engine: StoredSecrets): SecretVerbs {
  const openOrNull = (stored: StoredEndpoint | null) => (stored === null ? null : fromStored(encryption, stored))
  return {
    ...encryptedSources(encryption, engine),
    createEndpoint: (endpoint, extras, max) => engine.createEndpoint(toStored(encryption, endpoint), extras, max),
    updateEndpoint: (endpoint, unchangedSince, extras) =>
      engine.updateEndpoint(toStored(encryption, endpoint), unchangedSince, extras),
    getEndpoint: async (appId, id) => openOrNull(await engine.getEndpoint(appId, id)),
    findEndpoint: async (appId, idOrUid) => openOrNull(await engine.findEndpoint(appId, idOrUid)),
    async listEndpoints(query) {
      const { data, total } = await engine.listEndpoints(query)
      return { data: data.map((stored) => fromStored(encryption, stored)), total }
    },
    async secret(name, create) {
      const place = metaPlace(name)
      return decryptStored(encryption, await engine.secret(name, encryption.encrypt(create(), place)), place)
    },
  }
}
