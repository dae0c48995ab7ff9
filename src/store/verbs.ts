/**
 * The gate of each verb: one row a verb, from which each engine makes its object. An engine adds one function of the
 * same name. A function that is missing, or has the wrong shape, does not compile.
 */
import type { StoredSecrets } from './endpoint-codec.ts'
import type { Store } from './store.ts'

/** The verbs of an engine. It knows endpoints and values of `meta` in stored form: a secret is a text to it. */
export type EngineVerbs = Omit<Store, symbol | 'waiting' | keyof StoredSecrets> & StoredSecrets

export type Verb = keyof EngineVerbs

/**
 * `write`: one transaction. `accept` and `settle`: many calls in one statement, where an engine has statements for
 * that. `point`: a read by key, for which a delivery or a request waits. `list`: one page of an index. `count`: may
 * read a whole table of counters. `search`: may read every text.
 */
export type Gate = 'accept' | 'settle' | 'write' | 'point' | 'list' | 'count' | 'search'

export const VERBS = {
  accept: 'accept',
  settle: 'settle',
  claim: 'write',
  renew: 'write',
  release: 'write',
  sweep: 'write',
  putClockBack: 'write',
  resend: 'write',
  cancelWaiting: 'write',
  holdEndpoint: 'write',
  backlog: 'count',
  heldDeliveries: 'count',

  createApplication: 'write',
  updateApplication: 'write',
  deleteApplication: 'write',
  findApplication: 'point',
  getApplication: 'point',
  listApplications: 'list',

  createEventType: 'write',
  updateEventType: 'write',
  removeEventType: 'write',
  getEventType: 'point',
  knownEventTypes: 'point',
  listEventTypes: 'list',

  createEndpoint: 'write',
  updateEndpoint: 'write',
  deleteEndpoint: 'write',
  getEndpoint: 'point',
  findEndpoint: 'point',
  endpointsOf: 'point',
  pageEndpoints: 'list',
  listEndpoints: 'list',

  createSource: 'write',
  updateSource: 'write',
  deleteSource: 'write',
  getSource: 'point',
  findSource: 'point',
  listSources: 'list',

  getMessage: 'point',
  findMessage: 'point',
  getPayload: 'point',
  getShownPayload: 'point',
  deliveriesOf: 'point',
  holdersOf: 'point',
  recentlyExpunged: 'point',
  getAttempt: 'point',
  listMessages: 'list',
  listAttempts: 'list',
  listAttemptedMessages: 'list',
  listAttemptedEndpoints: 'list',
  countDeliveries: 'list',
  listDeliveries: 'list',
  expungeMessage: 'write',
  expungeAttempt: 'write',

  getAnswer: 'point',
  saveAnswer: 'write',

  createTask: 'write',
  stepTask: 'write',
  getTask: 'point',
  listTasks: 'list',

  listInbox: 'search',
  inboxStats: 'count',

  pruneAttempts: 'write',
  prunePayloads: 'write',
  pruneIdempotency: 'write',

  secret: 'write',
  problem: 'write',
} as const satisfies Record<Verb, Gate>

export type VerbsOf<G extends Gate> = { [V in Verb]: (typeof VERBS)[V] extends G ? V : never }[Verb]

/** The arguments of an engine's function for a verb, after its context, and its result. */
export type ArgumentsOf<V extends Verb> = Parameters<EngineVerbs[V]>
export type ResultOf<V extends Verb> = Awaited<ReturnType<EngineVerbs[V]>>

/** Makes an object with all verbs, each of them done by `run`. */
export function verbsOf(run: (verb: Verb, args: unknown[]) => Promise<unknown>): EngineVerbs {
  const entries = (Object.keys(VERBS) as Verb[]).map((verb) => [verb, (...args: unknown[]) => run(verb, args)])
  return Object.fromEntries(entries) as EngineVerbs
}
