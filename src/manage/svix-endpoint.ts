import { DEFAULT_APP } from '../domain/application.ts'
import { blankEndpoint, type Endpoint, SVIX_ENDPOINT } from '../domain/endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { Endpoints } from '../store/port/endpoints.ts'
import type { Queue } from '../store/port/queue.ts'
import { edit } from './edit.ts'

/** The target that is shown when the SDK chooses the server. */
const DEFAULT_URL = 'https://api.svix.com'

interface Settings {
  serverUrl: string | null
  retryScheduleMs: readonly number[]
}

/**
 * Makes sure that the endpoint of the Svix destination exists, with the settings of the configuration. Without settings
 * the endpoint is held: deliveries for it wait until it is configured.
 */
export async function prepareSvixEndpoint(
  store: Endpoints & Pick<Queue, 'holdEndpoint'>,
  config: Settings | null,
  clock: Clock,
): Promise<void> {
  if (!(await adjust(store, config, clock))) await make(store, config, clock)
  await store.holdEndpoint({ appId: DEFAULT_APP, id: SVIX_ENDPOINT, held: config === null }, clock.now())
}

const settingsFrom = (config: Settings | null) => ({
  url: config?.serverUrl ?? DEFAULT_URL,
  retryScheduleMs: config === null ? null : [...config.retryScheduleMs],
  disabled: false,
  disabledReason: null,
})

/** Gives the endpoint the settings of the configuration; false when there is no endpoint. Throws `edit_conflict`. */
async function adjust(store: Endpoints, config: Settings | null, clock: Clock): Promise<boolean> {
  const settings = settingsFrom(config)
  const edited = await edit({
    now: clock.now(),
    read: () => store.getEndpoint(DEFAULT_APP, SVIX_ENDPOINT),
    change(before: Endpoint) {
      // A write at every start of every node would make the other nodes drop their cached copy for nothing.
      const isAsItShouldBe =
        before.url === settings.url &&
        before.retryScheduleMs?.join() === settings.retryScheduleMs?.join() &&
        !before.disabled
      return config === null || isAsItShouldBe ? null : settings
    },
    write: (after, before) => store.updateEndpoint(after, before.updatedAt),
  })
  return edited !== null
}

async function make(store: Endpoints, config: Settings | null, clock: Clock): Promise<void> {
  const endpoint: Endpoint = {
    ...blankEndpoint({ appId: DEFAULT_APP, id: SVIX_ENDPOINT, now: clock.now() }),
    ...settingsFrom(config),
    kind: 'svix',
    managed: true,
    description: 'Svix, as SVIX_TOKEN and SVIX_APP_ID say',
  }
  try {
    await store.createEndpoint(endpoint)
  } catch (error) {
    // Nodes that start together make it together: the second one finds that of the first.
    if (!(await adjust(store, config, clock))) throw error
  }
}
