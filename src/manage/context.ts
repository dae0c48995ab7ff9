/**
 * The verbs of the product: its acts on request. A verb is one function, `(context, …, input) → result`. The routes of
 * both APIs, the command line and the pages are its faces. A verb knows no HTTP and no schema. Its result lists every
 * possible end, and a face puts that into the words of its users.
 */
import type { ApplicationCache } from '../cache/application-cache.ts'
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { SourceCache } from '../cache/source-cache.ts'
import type { MessageId } from '../domain/ids.ts'
import type { AcceptContext } from '../flow/accept.ts'
import type { CancelWaiting } from '../flow/cancel-waiting.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/store.ts'

export interface ManageContext extends AcceptContext {
  store: Store
  cache: EndpointCache
  applications: ApplicationCache
  sources: SourceCache
  clock: Clock
  cancelWaiting: CancelWaiting
  /** Announces new background work. */
  taskStarted: () => void
  /** Gives up the waiting deliveries of a message in this node's memory, after its payload was removed. */
  discard: (msgId: MessageId) => void
}
