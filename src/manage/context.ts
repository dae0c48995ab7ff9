/**
 * What the product does on request. A verb is one function, `(context, …, input) → result`: the routes of both APIs, the command
 * line and the pages are its faces. A verb knows no HTTP and no schema; what can come of it is its result, which a face puts into
 * the words of its users.
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
  /** There is something to do in the background. */
  taskStarted: () => void
  /** The payload of a message was taken away: what waits of it in this node's memory is given up. */
  discard: (msgId: MessageId) => void
}
