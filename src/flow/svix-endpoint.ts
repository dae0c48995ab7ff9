import { DEFAULT_APP } from '../domain/application.ts'
import { type Endpoint, SVIX_ENDPOINT } from '../domain/endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { Endpoints } from '../store/store.ts'

/** Shown as the target where the SDK chooses the server. */
const DEFAULT_URL = 'https://api.svix.com'

/** Sees to it that the endpoint which stands for the Svix destination is there, with the settings of the configuration. */
export async function prepareSvixEndpoint(
  store: Endpoints,
  config: { serverUrl: string | null; retryScheduleMs: readonly number[] },
  clock: Clock,
): Promise<void> {
  const now = clock.now()
  const before = await store.getEndpoint(DEFAULT_APP, SVIX_ENDPOINT)
  const settings = {
    url: config.serverUrl ?? DEFAULT_URL,
    retryScheduleMs: [...config.retryScheduleMs],
    disabled: false,
  }
  if (before !== null) {
    const after: Endpoint = {
      ...before,
      ...settings,
      disabledReason: null,
      updatedAt: Math.max(now, before.updatedAt + 1),
    }
    await store.updateEndpoint(after, before.updatedAt)
    return
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
    pausedUntil: null,
    createdAt: now,
    updatedAt: now,
  })
}
