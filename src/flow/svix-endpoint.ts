import { DEFAULT_APP } from '../domain/application.ts'
import { type Endpoint, SVIX_ENDPOINT } from '../domain/endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { Endpoints } from '../store/store.ts'

/** Shown as the target where the SDK chooses the server. */
const DEFAULT_URL = 'https://api.svix.com'

interface Settings {
  serverUrl: string | null
  retryScheduleMs: readonly number[]
}

/** Nodes that start together do this together; whoever comes second reads again, this often. */
const TRIES = 5

/** Sees to it that the endpoint which stands for the Svix destination is there, with the settings of the configuration. */
export async function prepareSvixEndpoint(store: Endpoints, config: Settings, clock: Clock): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      if ((await prepare(store, config, clock)) || tries === TRIES) return
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}

/** False when another node was faster. */
async function prepare(store: Endpoints, config: Settings, clock: Clock): Promise<boolean> {
  const now = clock.now()
  const before = await store.getEndpoint(DEFAULT_APP, SVIX_ENDPOINT)
  const settings = {
    url: config.serverUrl ?? DEFAULT_URL,
    retryScheduleMs: [...config.retryScheduleMs],
    disabled: false,
  }
  if (before !== null) {
    // Not at every start of every node: the others would forget it for nothing.
    const isAsItShouldBe =
      before.url === settings.url &&
      before.retryScheduleMs?.join() === settings.retryScheduleMs.join() &&
      !before.disabled
    if (isAsItShouldBe) return true
    const after: Endpoint = {
      ...before,
      ...settings,
      disabledReason: null,
      updatedAt: Math.max(now, before.updatedAt + 1),
    }
    return (await store.updateEndpoint(after, before.updatedAt)) === 'updated'
  }
  await store.createEndpoint({
    ...settings,
    appId: DEFAULT_APP,
    id: SVIX_ENDPOINT,
    uid: null,
    driver: 'svix',
    description: 'Svix, as SVIX_TOKEN and SVIX_APP_ID say',
    disabledReason: null,
    eventTypes: null,
    channels: null,
    headers: {},
    metadata: {},
    secrets: [],
    rateLimit: null,
    timeoutMs: null,
    version: 1,
    failingSince: null,
    givenUpSince: null,
    pausedUntil: null,
    createdAt: now,
    updatedAt: now,
  })
  return true
}
