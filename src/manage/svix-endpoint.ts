import { DEFAULT_APP } from '../domain/application.ts'
import { blankEndpoint, type Endpoint, SVIX_ENDPOINT } from '../domain/endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { Endpoints } from '../store/port/endpoints.ts'
import type { Queue } from '../store/port/queue.ts'

/** Shown as the target where the SDK chooses the server. */
const DEFAULT_URL = 'https://api.svix.com'

interface Settings {
  serverUrl: string | null
  retryScheduleMs: readonly number[]
}

/** Nodes that start together do this together; whoever comes second reads again, this often. */
const TRIES = 5

/**
 * Sees to it that the endpoint which stands for the Svix destination is there, with the settings of the configuration. Where
 * there are none it is held: what is accepted for it waits until it is configured.
 */
export async function prepareSvixEndpoint(
  store: Endpoints & Pick<Queue, 'holdEndpoint'>,
  config: Settings | null,
  clock: Clock,
): Promise<void> {
  await persistently(() => prepare(store, config, clock))
  await store.holdEndpoint({ appId: DEFAULT_APP, id: SVIX_ENDPOINT, held: config === null }, clock.now())
}

async function persistently(work: () => Promise<boolean>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      if ((await work()) || tries === TRIES) return
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}

/** False when another node was faster. */
async function prepare(store: Endpoints, config: Settings | null, clock: Clock): Promise<boolean> {
  const now = clock.now()
  const before = await store.getEndpoint(DEFAULT_APP, SVIX_ENDPOINT)
  if (before !== null && config === null) return true
  const settings = {
    url: config?.serverUrl ?? DEFAULT_URL,
    retryScheduleMs: config === null ? null : [...config.retryScheduleMs],
    disabled: false,
  }
  if (before !== null) {
    // Not at every start of every node: the others would forget it for nothing.
    const isAsItShouldBe =
      before.url === settings.url &&
      before.retryScheduleMs?.join() === settings.retryScheduleMs?.join() &&
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
    ...blankEndpoint({ appId: DEFAULT_APP, id: SVIX_ENDPOINT, now }),
    ...settings,
    kind: 'svix',
    managed: true,
    description: 'Svix, as SVIX_TOKEN and SVIX_APP_ID say',
  })
  return true
}
