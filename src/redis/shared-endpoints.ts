/**
 * Endpoints and lists of them in Redis, for all nodes: a row that one node read from the store, the others need not
 * read.
 *
 * An old row must never get in after a change. So a node that finds nothing is given a token, made by chance and kept
 * with the application. It may put in the row that it loads only while that token is still there. Every change removes
 * the token, together with the kept rows. The token is random and not a counter, so it cannot come again after Redis
 * was emptied. Keys belong to one lifetime of the server, as a restart may bring back an old snapshot.
 *
 * Entries are encrypted as in the database, as one text, so that they can neither be read nor changed in Redis.
 *
 * A change that Redis could not be told of is kept and told later; until then this node does not ask Redis about that
 * application. Other nodes may see the old row meanwhile, for `REDIS_LIMITS.sharedCacheMs` at most.
 */
import type { SharedEndpoints, SharedFind } from '../cache/shared-endpoints.ts'
import { type Encryption, keyIdOf, type Place, Undecryptable } from '../domain/encryption.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import type { Clock } from '../lib/clock.ts'
import { REDIS_LIMITS } from './limits.ts'
import type { Link, Script } from './link.ts'

/** Longer than any load takes. */
const TOKEN_MS = 60_000

const FIND: Script = {
  name: 'find',
  keys: 2,
  lua: `local kept = redis.call('GET', KEYS[1])
if kept then return { kept, '' } end
local token = redis.call('GET', KEYS[2])
if not token then
  token = ARGV[1]
  redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
end
return { '', token }`,
}

const FILL: Script = {
  name: 'keep',
  keys: 2,
  lua: `if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`,
}

const FORGET: Script = {
  name: 'forget',
  keys: 3,
  lua: `redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
if ARGV[1] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2]) end`,
}

export const SHARED_ENDPOINT_SCRIPTS = [FIND, FILL, FORGET]

export interface RedisEndpointsOptions {
  link: Link
  clock: Clock
  /** The beginning of every key. */
  prefix: string
  /** Entries have the shape that this version of the program gave them; other versions do not read them. */
  version: string
  /** A reader of Redis learns no more than a reader of the database. */
  encryption: Encryption
  token: () => string
  /** The channel on which the other nodes listen, and the message that they are sent. */
  announce: { channel: string; message: (appId: AppId, id: EndpointId) => string }
}

/** A change that Redis was not told of yet. */
interface Untold {
  appId: AppId
  id: EndpointId
  announced: boolean
}

export class RedisEndpoints implements SharedEndpoints {
  readonly #options: RedisEndpointsOptions
  readonly #untold = new Map<string, Untold>()
  /** Number of untold changes of each application. */
  readonly #untoldOf = new Map<AppId, number>()
  #distrustedUntil = 0

  constructor(options: RedisEndpointsOptions) {
    this.#options = options
  }

  async find(appId: AppId, name: string): Promise<SharedFind | null> {
    const { link, token } = this.#options
    const keys = this.#keysOf(appId)
    if (keys === null || !this.#isTrusted(appId)) return null
    try {
      const answer = await link.script(FIND, keys.entry(name), keys.token, token(), TOKEN_MS)
      // Looked at again: if a change came meanwhile, the answer may be older than the change.
      if (!this.#isTrusted(appId)) return null
      const [kept, given] = answer as [string, string]
      return kept === '' ? { mayKeep: given } : (this.#read(kept, placeOf(appId, name)) ?? { mayKeep: '' })
    } catch {
      return null
    }
  }

  keep(appId: AppId, name: string, { mayKeep }: { mayKeep: string }, value: unknown): void {
    const keys = this.#keysOf(appId)
    if (mayKeep === '' || keys === null || !this.#isTrusted(appId)) return
    const text = this.#options.encryption.encrypt(JSON.stringify([this.#options.version, value]), placeOf(appId, name))
    if (text.length > REDIS_LIMITS.redisValueCharsMax) return
    this.#options.link
      .script(FILL, keys.entry(name), keys.token, mayKeep, text, REDIS_LIMITS.sharedCacheMs)
      .catch(() => {})
  }

  forget(appId: AppId, id: EndpointId, { announce }: { announce: boolean }): void {
    const key = `${appId}/${id}`
    const before = this.#untold.get(key)
    if (before === undefined) this.#untoldOf.set(appId, (this.#untoldOf.get(appId) ?? 0) + 1)
    const untold: Untold = { appId, id, announced: announce || before?.announced === true }
    this.#untold.set(key, untold)
    if (this.#untold.size > REDIS_LIMITS.changesUntoldMax) this.#giveUp()
    else void this.#tell(untold)
  }

  /** Tells Redis the changes that it could not be told before. */
  async tellAgain(): Promise<void> {
    for (const untold of this.#untold.values()) if (!(await this.#tell(untold))) return
  }

  async #tell(untold: Untold): Promise<boolean> {
    const { link, announce } = this.#options
    const { appId, id, announced } = untold
    const keys = this.#keysOf(appId)
    if (keys === null) return false
    const message = announced ? [announce.channel, announce.message(appId, id)] : ['', '']
    try {
      await link.script(FORGET, keys.entry(`endpoint/${id}`), keys.entry('list'), keys.token, ...message)
    } catch {
      return false
    }
    // Kept when the endpoint changed once more meanwhile.
    if (this.#untold.get(`${appId}/${id}`) === untold) this.#told(untold)
    return true
  }

  #told({ appId, id }: Untold): void {
    this.#untold.delete(`${appId}/${id}`)
    const left = (this.#untoldOf.get(appId) ?? 0) - 1
    if (left > 0) this.#untoldOf.set(appId, left)
    else this.#untoldOf.delete(appId)
  }

  /** Called when there are too many changes to remember: the entries in Redis have to grow old instead. */
  #giveUp(): void {
    this.#untold.clear()
    this.#untoldOf.clear()
    this.#distrustedUntil = this.#options.clock.now() + REDIS_LIMITS.sharedCacheMs
  }

  #isTrusted(appId: AppId): boolean {
    return !this.#untoldOf.has(appId) && this.#options.clock.now() >= this.#distrustedUntil
  }

  /**
   * Reads an entry; null when this node cannot use it: another version, a key that this node lacks, or clear text in
   * spite of a key.
   */
  #read(stored: string, place: Place): { kept: unknown } | null {
    const { encryption } = this.#options
    if (encryption.keyId !== null && keyIdOf(stored) === null) return null
    try {
      const [version, kept] = JSON.parse(encryption.decrypt(stored, place)) as [string, unknown]
      return version === this.#options.version ? { kept } : null
    } catch (error) {
      if (error instanceof Undecryptable) return null
      throw error
    }
  }

  /**
   * The keys of an application in Redis; null while the lifetime of the server is unknown. The braces keep them on one
   * shard.
   */
  #keysOf(appId: AppId): { token: string; entry: (name: string) => string } | null {
    const { lifetime } = this.#options.link
    if (lifetime === null) return null
    const base = `${this.#options.prefix}cache:${lifetime}:{${appId}}:`
    return { token: `${base}token`, entry: (name) => base + name }
  }
}

const placeOf = (appId: AppId, name: string): Place => ({ table: 'redis', column: name, id: appId })
