/**
 * The store: everything durable, in domain verbs. Two engines implement it, and one conformance suite
 * (`test/conformance/store.ts`) states their common behaviour.
 *
 * Every method that writes keeps these rules. When its promise is fulfilled, the change is on disk and survives `kill
 * -9` and power loss. When its promise is rejected with `store_unavailable`, the change was not made, unless the
 * message says that the outcome is unknown. Concurrent writes share transactions. Times are milliseconds since the
 * epoch and always passed in, so that a test decides what time it is.
 */
import type { Answers } from './port/answers.ts'
import type { Applications } from './port/applications.ts'
import type { Endpoints } from './port/endpoints.ts'
import type { EventTypes } from './port/event-types.ts'
import type { History } from './port/history.ts'
import type { Inbox } from './port/inbox.ts'
import type { Messages } from './port/messages.ts'
import type { Queue } from './port/queue.ts'
import type { Retention } from './port/retention.ts'
import type { Sources } from './port/sources.ts'
import type { Tasks } from './port/tasks.ts'
import type { WaitingWrites } from './weight.ts'

export interface Store
  extends
    Queue,
    Endpoints,
    Sources,
    Messages,
    Inbox,
    Retention,
    Applications,
    EventTypes,
    History,
    Answers,
    Tasks,
    AsyncDisposable {
  /** Commits something small. Null when that worked and the schema is current; otherwise the problem. */
  problem(): Promise<string | null>
  /**
   * The calls and bytes that wait to be written at this node; beyond a bound, further calls are refused as
   * `overloaded`.
   */
  waiting(): WaitingWrites
  /** A secret of the installation, made by `create` the first time it is asked for. */
  secret(name: string, create: () => string): Promise<string>
}
