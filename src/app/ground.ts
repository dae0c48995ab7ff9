/** The common ground of all parts of the gateway: settings, time, randomness, and the topics of hints. */
import { randomBytes } from 'node:crypto'
import type { Config, Secrets } from '../config.ts'
import { type AppId, createIds, type EndpointId, type Ids, type MessageId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { Hints } from '../lib/hints.ts'
import type { Logger } from '../lib/log.ts'
import { openTelemetry, type Telemetry } from '../telemetry/telemetry.ts'

export interface AppOptions {
  config: Config
  secrets: Secrets
  log: Logger
  /** For tests: the clock, and a random number in [0, 1). */
  clock?: Clock
  random?: () => number
  /** A part died that cannot be opened again in this process. */
  onFatal: (error: Error) => void
}

/** Topics of the hints between parts of this node and from other nodes. */
export interface AppHints {
  /** Another node put work into the store that is due at this time, ms since the epoch. */
  due: number
  /** Another node changed an endpoint. `isShared`: that node has told the shared cache, too. */
  endpointChanged: { appId: AppId; id: EndpointId; isShared: boolean }
  /** Another node changed a source. */
  sourceChanged: null
  /** A payload was removed, and this node may hold deliveries of its message. */
  expunged: MessageId
  /** A new background task exists, added here or at another node. */
  taskAdded: null
}

export interface Ground extends Telemetry {
  config: Config
  secrets: Secrets
  log: Logger
  clock: Clock
  random: () => number
  onFatal: (error: Error) => void
  ids: Ids
  hints: Hints<AppHints>
  /** A name of this node that no other node has or had. */
  owner: string
  /** True when no other process uses the same store. */
  isAlone: boolean
  end: End
}

/** The end of the gateway: first announced, then begun, and finished by a deadline. */
export class End {
  #isAnnounced = false
  #drainBy = 0

  get isAnnounced(): boolean {
    return this.#isAnnounced
  }

  /** Time when attempts under way are ended, ms of `performance.now`. */
  get drainBy(): number {
    return this.#drainBy
  }

  announce(): void {
    this.#isAnnounced = true
  }

  begin(): void {
    this.#isAnnounced = true
    this.#drainBy = performance.now() + LIMITS.drainMs
  }
}

export function layGround({ config, secrets, log, onFatal, ...given }: AppOptions): Ground {
  const { clock = systemClock, random = Math.random } = given
  const isAlone = config.database.engine === 'sqlite'
  return {
    config,
    secrets,
    log,
    onFatal,
    clock,
    random,
    isAlone,
    ...openTelemetry({ log, hasRedis: !isAlone && secrets.redisUrl !== null }),
    ids: createIds({ now: () => clock.now(), randomBytes }),
    hints: new Hints<AppHints>({ onFailure: (topic, error) => log.error({ topic, error }, 'a hint was not heard') }),
    owner: `node_${randomBytes(8).toString('hex')}`,
    end: new End(),
  }
}
